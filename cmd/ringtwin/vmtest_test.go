package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/need"
)

// startVMTest starts the main job, on 6.1 unless there are other args, and
// returns when it has said text.
func startVMTest(t *testing.T, out, text string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	need.Program(t, "qemu-system-x86_64")
	if args == nil {
		args = []string{"6.1"}
	}
	cmd := exec.Command(program, append([]string{"vmtest", "--out", out}, args...)...)
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

// TestInterrupt: Ctrl-C ends the machine, keeps what was measured, and says of
// the rest that it was cancelled. It may come at any time.
func TestInterrupt(t *testing.T) {
	for _, test := range []struct {
		during   string
		measured int
	}{{"same programs", 0}, {"block 2 of 3, trial 3 of 4", 6}} {
		t.Run(test.during, func(t *testing.T) {
			out := t.TempDir()
			cmd, stdout := startVMTest(t, out, test.during)
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
			if count[record.OK] < test.measured || count[record.OK]+count[record.Cancelled] != 12 || count[record.Cancelled] == 0 {
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

// TestInterruptFetch: likewise while package lists are fetched, and the cache
// is left without half a file.
func TestInterruptFetch(t *testing.T) {
	cache, out := t.TempDir(), t.TempDir()
	t.Setenv("RINGTWIN_CACHE", cache)
	cmd, _ := startVMTest(t, out, "read package lists")
	time.Sleep(500 * time.Millisecond)
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

// TestKillFetch: not even SIGKILL leaves an apt, or a helper of its.
func TestKillFetch(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("RINGTWIN_CACHE", cache)
	cmd, _ := startVMTest(t, t.TempDir(), "read package lists")
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
	isHelper := func(command string) bool { return strings.Contains(command, "/apt/methods/") }
	for deadline := time.Now().Add(10 * time.Second); !slices.ContainsFunc(commands(), isHelper); {
		if time.Now().After(deadline) {
			t.Fatal("apt started no helper")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); len(commands()) > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if left := commands(); len(left) > 0 {
		t.Errorf("processes left: %q", left)
	}
}

// TestKill: not even SIGKILL leaves a machine, or half a result.
func TestKill(t *testing.T) {
	out := t.TempDir()
	cmd, _ := startVMTest(t, out, "trial 2 of 4")
	if len(machines(t, out)) != 1 {
		t.Error("no machine runs")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for len(machines(t, out)) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if left := machines(t, out); left != nil {
		t.Errorf("machines left: %v", left)
	}
	if trials := readResults(t, out); len(trials) < 1 || trials[0].Status != record.OK {
		t.Errorf("%d trials kept", len(trials))
	}
}

// TestQEMUDies: the trials that were not measured say so.
func TestQEMUDies(t *testing.T) {
	out := t.TempDir()
	cmd, _ := startVMTest(t, out, "trial 2 of 4")
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
	// Only the block whose machine died is lost; the others had their own.
	if count[record.Lost] < 1 || count[record.Lost] > 4 || count[record.OK]+count[record.Lost] != 12 {
		t.Errorf("statuses %v, want one block with lost trials", count)
	}
}

// TestDiskFull: a fetch that fills the disk is said, and the cache stays sound.
func TestDiskFull(t *testing.T) {
	need.Root(t)
	cache := t.TempDir()
	if err := syscall.Mount("tmpfs", cache, "tmpfs", 0, "size=30m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(cache, 0); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.Command(program, "vmtest", "6.1", "--out", t.TempDir())
	cmd.Env = append(os.Environ(), "RINGTWIN_CACHE="+cache)
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer timer.Stop()
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
	if err := exec.Command("kill", "-KILL", pid).Run(); err != nil {
		t.Fatal(err)
	}
}
