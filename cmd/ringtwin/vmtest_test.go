// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// stuckPlan measures something, and then never ends by itself: the trials of its second
// scenario take longer than any test.
const stuckPlan = `
name: stuck
events: 20
ring_bytes_total: 65536
blocks: 1
seed: 1
scenarios:
  - {name: first}
  - {name: stuck, reader_stall_ms: 600000}
`

// inStuck is the main job's output at that point, with the trials of the first scenario
// measured.
const inStuck = "stuck, block 1 of 1, trial 1 of 4"

// startStuck starts the main job with that plan, and returns when it prints text.
func startStuck(t *testing.T, out, text string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	plan := filepath.Join(t.TempDir(), "stuck.yaml")
	if err := os.WriteFile(plan, []byte(stuckPlan), 0o644); err != nil {
		t.Fatal(err)
	}
	return startVMTest(t, nil, out, text, "--plan", plan, "--clock", "wall", testkernels.Name(t, testkernels.Usual))
}

// startVMTest starts the main job, with more in its environment, and returns when it
// prints text.
func startVMTest(t *testing.T, env []string, out, text string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	testutils.QEMU(t)
	cmd := exec.Command(program, append([]string{"vmtest", "--out", out}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := &bytes.Buffer{}
	cmd.Stdout = stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return cmd, stdout
		}
	}
	t.Fatalf("ended before it said %q", text)
	return nil, nil
}

// TestInterrupt: Ctrl-C at any time ends the machine, keeps the measured trials, and
// records the rest as cancelled.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		during   string
		measured int
	}{{"same programs", 0}, {inStuck, 4}} {
		t.Run(test.during, func(t *testing.T) {
			out := t.TempDir()
			cmd, stdout := startStuck(t, out, test.during)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitInfra {
				t.Errorf("exit code %d, want %d", code, exitInfra)
			}
			count := map[record.Status]int{}
			for _, trial := range readResults(t, out) {
				count[trial.Status]++
			}
			if count[record.OK] < test.measured || count[record.OK]+count[record.Cancelled] != 8 || count[record.Cancelled] == 0 {
				t.Errorf("statuses %v, want at least %d ok and the rest cancelled", count, test.measured)
			}
			if !strings.Contains(stdout.String(), "cancelled") {
				t.Errorf("the report does not say so:\n%s", stdout)
			}
			if left := machines(t, out); left != nil {
				t.Errorf("machines left: %v", left)
			}
			for _, name := range []string{"report.md", "junit.xml", "bench.txt"} {
				if _, err := os.Stat(filepath.Join(out, "latest", name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// hangingArchive makes this process, and those that it starts, use an archive that never
// answers, and an empty cache. The channel is closed at the first request.
func hangingArchive(t *testing.T) (cache string, asked <-chan struct{}) {
	t.Helper()
	testutils.Kernels(t)
	archive := mirrors.NewDebian(t, mirrors.NewKey(t))
	first, over := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(first) })
	archive.Asked(func(string) {
		once()
		<-over
	})
	t.Cleanup(func() { close(over) }) // before the archive is closed
	cache = t.TempDir()
	t.Setenv("RINGTWIN_APT", archive.Root(t, "bookworm"))
	t.Setenv("RINGTWIN_CACHE", cache)
	return cache, first
}

// TestInterruptFetch: the same while package lists are fetched; the cache has no partial
// file afterwards.
func TestInterruptFetch(t *testing.T) {
	cache, asked := hangingArchive(t)
	out := t.TempDir()
	cmd, _ := startVMTest(t, nil, out, "read package lists", "6.1")
	testutils.Await(t, "apt to ask the archive", asked)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInfra {
		t.Errorf("exit code %d, want %d", code, exitInfra)
	}
	for _, trial := range readResults(t, out) {
		if trial.Status != record.Cancelled {
			t.Errorf("%s is %s: %s", trial.ID, trial.Status, trial.Reason)
		}
	}
	for _, left := range []string{"kernels/*", "refs/*", "tmp/*", "apt/index.json"} {
		if files, _ := filepath.Glob(filepath.Join(cache, left)); len(files) > 0 {
			t.Errorf("left in the cache: %v", files)
		}
	}
}

// TestKillFetch: even SIGKILL leaves no apt, and no helper of it.
func TestKillFetch(t *testing.T) {
	cache, asked := hangingArchive(t)
	cmd, _ := startVMTest(t, nil, t.TempDir(), "read package lists", "6.1")
	testutils.Await(t, "apt to ask the archive", asked)
	// commands are those of the run's processes.
	commands := func() (all []string) {
		paths, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			environ, _ := os.ReadFile(path)
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			if len(command) > 0 && bytes.Contains(environ, []byte("RINGTWIN_CACHE="+cache+"\x00")) {
				all = append(all, string(command))
			}
		}
		return all
	}
	if !slices.ContainsFunc(commands(), func(command string) bool { return strings.Contains(command, "/apt/methods/") }) {
		t.Fatalf("no helper of apt runs: %q", commands())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	testutils.WaitFor(t, "the end of apt and its helpers", func() bool { return len(commands()) == 0 })
}

// TestKill: even SIGKILL leaves no machine, and no partial result.
func TestKill(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	cmd, _ := startStuck(t, out, inStuck)
	if len(machines(t, out)) != 1 {
		t.Error("no machine runs")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	testutils.WaitFor(t, "the end of the machine", func() bool { return machines(t, out) == nil })
	trials := readResults(t, out)
	if len(trials) != 4 {
		t.Errorf("%d trials kept, want 4", len(trials))
	}
	for _, trial := range trials {
		if trial.Status != record.OK {
			t.Errorf("%s is %s: %s", trial.ID, trial.Status, trial.Reason)
		}
	}
}

// TestQEMUDies: the trials that were not measured report that.
func TestQEMUDies(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	cmd, _ := startStuck(t, out, inStuck)
	for _, path := range machines(t, out) {
		killProcess(t, filepath.Base(filepath.Dir(path)))
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInfra {
		t.Errorf("exit code %d, want %d", code, exitInfra)
	}
	count := map[record.Status]int{}
	for _, trial := range readResults(t, out) {
		count[trial.Status]++
	}
	// Only the block whose machine died is lost; the other had its own.
	if count[record.Lost] != 4 || count[record.OK] != 4 {
		t.Errorf("statuses %v, want one block with lost trials", count)
	}
}

// TestDiskFull: a fetch that fills the disk is reported, and the cache is intact.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	testutils.Root(t)
	cache := t.TempDir()
	if err := syscall.Mount("tmpfs", cache, "tmpfs", 0, "size=30m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(cache, 0); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), testutils.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "vmtest", "6.1", "--out", t.TempDir())
	cmd.Env = append(os.Environ(), "RINGTWIN_CACHE="+cache)
	text, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitInfra {
		t.Errorf("exit code %d, want %d", code, exitInfra)
	}
	if !strings.Contains(string(text), "fetch-failed") || !strings.Contains(strings.ToLower(string(text)), "no space left") {
		t.Errorf("it is not said:\n%s", text)
	}
	for _, left := range []string{"kernels/*", "refs/*/*", "tmp/*"} {
		if files, _ := filepath.Glob(filepath.Join(cache, left)); len(files) > 0 {
			t.Errorf("left in the cache: %v", files)
		}
	}
}

func killProcess(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = syscall.Kill(n, syscall.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
}
