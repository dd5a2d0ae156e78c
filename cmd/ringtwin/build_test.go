// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
)

// TestDynamic: with a C compiler, go build makes a program that needs libraries by
// default. It measures in a machine like the static program, and makes the same calls
// there; its loader's calls are not included.
func TestDynamic(t *testing.T) {
	t.Parallel()
	testutils.Compiler(t)
	testutils.QEMU(t)
	usual := testkernels.Name(t, testkernels.Usual)
	dir := t.TempDir()
	dynamic := filepath.Join(dir, "ringtwin")
	build := exec.Command("go", "build", "-o", dynamic, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	binary, err := os.ReadFile(dynamic)
	if err != nil {
		t.Fatal(err)
	}
	if initramfs.CheckStatic(binary) == nil {
		t.Fatal("the program is static: this test shows nothing")
	}

	out := filepath.Join(dir, "out")
	if _, stderr, code := runs(t, dynamic, "vmtest", usual, "--plan", "programs", "--clock", "wall", "--blocks", "1", "--set", "events=20", "--out", out); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	trials := readResults(t, out)
	if len(trials) != 4 {
		t.Errorf("%d trials, want 4", len(trials))
	}
	for _, trial := range trials {
		if trial.Status != record.OK {
			t.Errorf("%s is %s: %s", trial.ID, trial.Status, trial.Reason)
		}
		for _, line := range trial.Ledger {
			if !line.Holds {
				t.Errorf("%s: %s: %s", trial.ID, line.Invariant, line.Detail)
			}
		}
	}

	// The snapshot serves here too. Where probes are among the calls differs
	// from run to run.
	got := syscallsBy(t, dynamic, usual, "--cpus", "2")[0]
	want := syscalls(t, usual, "--cpus", "2")
	for _, transport := range []string{"perf", "ringbuf"} {
		if diff := cmp.Diff(asked(t, &want.Traces[0], transport), asked(t, &got.Traces[0], transport)); diff != "" {
			t.Errorf("%s: static and dynamic:\n%s", transport, diff)
		}
	}
	if diff := cmp.Diff(want.Growth, got.Growth); diff != "" {
		t.Errorf("counts, static and dynamic:\n%s", diff)
	}
}
