// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestKillVNG: SIGKILL of the tool at any time ends virtme-ng, its children, and QEMU,
// and leaves no file.
func TestKillVNG(t *testing.T) {
	t.Parallel()
	testutils.Program(t, "vng")
	for _, test := range []struct{ during, running string }{
		{": boot", "virtme-run"}, {": boot", "qemu-system"}, {": probe", "qemu-system"}, // booting, and ready
	} {
		t.Run(test.during+" "+test.running, func(t *testing.T) {
			// Not the test's own, whose name would be taken for what runs.
			out, err := os.MkdirTemp("", "ringtwin-out-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(out)
			temp := t.TempDir()
			cmd, _ := startVMTest(t, []string{"TMPDIR=" + temp}, out, test.during, "--vm", "vng", "--blocks", "1", testkernels.Name(t, testkernels.Usual)+"+generic")
			awaitProcesses(t, out, test.running, func(lines string) bool { return strings.Contains(lines, test.running) })
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			awaitProcesses(t, out, "the end of all processes", func(lines string) bool { return lines == "" })
			awaitEmpty(t, temp)
		})
	}
}

// awaitEmpty waits until nothing is in the directory: what removes it outlives the
// processes.
func awaitEmpty(t *testing.T, dir string) {
	t.Helper()
	testutils.WaitFor(t, "an empty "+dir, func() bool {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return left == nil
	})
}

// awaitProcesses waits until the command lines of all processes that hold text
// are as they should be. Those of virtme-ng hold the path of the log, as QEMU's.
func awaitProcesses(t *testing.T, text, what string, as func(lines string) bool) {
	t.Helper()
	testutils.WaitFor(t, what, func() bool {
		var lines strings.Builder
		paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			line, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(line), text) {
				lines.WriteString(strings.ReplaceAll(string(line), "\x00", " ") + "\n")
			}
		}
		return as(lines.String())
	})
}
