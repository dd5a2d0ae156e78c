// SPDX-License-Identifier: MIT

// Package examples_test runs the examples on real kernels.
package examples_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestMain makes limits generous on a busy host.
func TestMain(m *testing.M) {
	testutils.Patience()
	m.Run()
}

// run builds the example and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	testutils.QEMU(t)
	dir := t.TempDir()
	program := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// TestRatio: an event costs less over the ring buffer, on every kernel until now.
func TestRatio(t *testing.T) {
	usual := testkernels.Name(t, testkernels.Usual)
	out := run(t, "ratio", usual)
	m := regexp.MustCompile(`^` + regexp.QuoteMeta(usual) + `: (0\.\d\d) \((\d+) against (\d+) instructions an event\)\n$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("printed %q", out)
	}
	ring, _ := strconv.Atoi(m[2])
	perf, _ := strconv.Atoi(m[3])
	if ring < 100 || perf <= ring {
		t.Errorf("%d instructions over the ring buffer, %d over the perf buffer", ring, perf)
	}
}

// TestStatement: one statement on two kernels.
func TestStatement(t *testing.T) {
	oldest, usual := testkernels.Name(t, testkernels.Oldest), testkernels.Name(t, testkernels.Usual)
	out := run(t, "statement", "wedge", oldest, usual)
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(oldest) + `: holds: .*\n` + regexp.QuoteMeta(usual) + `: holds: .*\n$`)
	if !want.MatchString(out) {
		t.Errorf("printed %q", out)
	}
}
