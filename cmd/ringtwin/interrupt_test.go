// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"golang.org/x/sys/unix"
)

// TestInterrupted: what was tested before an interrupt is printed and kept, and nothing
// else is claimed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	usual := testkernels.Name(t, testkernels.Usual)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module m\n\ngo 1.26\n",
		"a/a_test.go": "package a\nimport \"testing\"\nfunc TestA(t *testing.T) {}\n",
		"b/b_test.go": "package b\nimport \"testing\"\nfunc TestEndless(t *testing.T) { select {} }\n",
		"c/c_test.go": "package c\nimport \"testing\"\nfunc TestC(t *testing.T) {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "test", "--kernel", usual, "--parallel", "1", "./...")
	cmd.Dir = dir
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if lines.Text() == usual+" m/b: run" {
			if err := cmd.Process.Signal(unix.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	err = cmd.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != exitInfra {
		t.Errorf("%v, want exit code %d\n%s", err, exitInfra, log.String())
	}
	for _, want := range []string{`(?m)^m/a +ok 1$`, `(?m)^m/b +cancelled$`, `(?m)^m/c +cancelled$`, `(?m)^1 of 3 packages on kernels were run; tests: 1 passed`} {
		if !regexp.MustCompile(want).Match(stdout.Bytes()) {
			t.Errorf("no %s in\n%s", want, stdout.String())
		}
	}
	units, err := os.ReadFile(filepath.Join(dir, "out", "test", "latest", "units.jsonl"))
	if err != nil || bytes.Count(units, []byte("\n")) != 3 {
		t.Errorf("units: %v\n%s", err, units)
	}
}
