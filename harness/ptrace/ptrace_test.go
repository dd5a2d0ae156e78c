// SPDX-License-Identifier: MIT

package ptrace

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is the tracee: RINGTWIN_TRACED selects what it does.
const (
	traced = "RINGTWIN_TRACED"
	pipe   = "RINGTWIN_PIPE" // path of a named pipe
)

func TestMain(m *testing.M) {
	switch os.Getenv(traced) {
	case "threads":
		threads()
	case "wait":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		_, _ = os.Open("/ringtwin/enough")
		<-interrupted
		_, _ = os.Open("/ringtwin/unseen")
		_, _ = os.Stderr.WriteString("interrupted\n")
		os.Exit(7)
	case "chatter":
		_, _ = os.Stderr.WriteString(strings.Repeat("x", 2*stderrBytes))
		os.Exit(0)
	case "leave":
		// Its child keeps its standard error open, and reports its end after the named
		// pipe was opened.
		child := exec.Command("/bin/sh", "-c", "cat <"+os.Getenv(pipe)+"; echo left >"+os.Getenv(pipe))
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "exec":
		_ = unix.Setenv(traced, "threads")
		_ = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	case "hang":
		_, _ = os.Open("/ringtwin/hang")
		select {}
	}
	os.Exit(m.Run())
}

// threads makes a failing call in each of several threads, all of them busy at
// the same time.
func threads() {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			runtime.LockOSThread()
			for j := range 50 {
				_, _ = os.Open("/ringtwin/" + string(rune('a'+i)) + strings.Repeat("x", j))
			}
		})
	}
	all.Wait()
	_, _ = os.Stderr.WriteString("done\n")
	os.Exit(0)
}

// opened collects the paths of failing opens.
type opened struct {
	entered map[int]string
	failed  map[string]int
	until   string
	// seen is called with each path; it may be nil.
	seen func(path string)
}

func (o *opened) Enter(thread int, call Call, memory Memory) bool {
	delete(o.entered, thread)
	if call.Number != unix.SYS_OPENAT {
		return false
	}
	text := make([]byte, 10)
	if memory.Read(call.Args[1], text) != nil || string(text) != "/ringtwin/" {
		return false
	}
	rest := make([]byte, 64)
	for i := range rest {
		if memory.Read(call.Args[1]+10+uint64(i), rest[i:i+1]) != nil || rest[i] == 0 {
			rest = rest[:i]
			break
		}
	}
	o.entered[thread] = string(rest)
	if o.seen != nil {
		o.seen(string(rest))
	}
	return string(rest) == o.until
}

func (o *opened) Leave(thread int, result int64) {
	if path, ok := o.entered[thread]; ok && result == -int64(unix.ENOENT) {
		o.failed[path]++
	}
}

func run(t *testing.T, ctx context.Context, what, until string) (*opened, string, int, error) {
	t.Helper()
	return runSeeing(t, ctx, what, until, nil)
}

func runSeeing(t *testing.T, ctx context.Context, what, until string, seen func(path string)) (*opened, string, int, error) {
	t.Helper()
	t.Setenv(traced, what)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{map[int]string{}, map[string]int{}, until, seen}
	stderr, code, err := Run(ctx, []string{self}, o)
	return o, stderr, code, err
}

// TestThreads: each call of each thread is seen once, with its memory and what
// it returned.
func TestThreads(t *testing.T) {
	o, stderr, code, err := run(t, t.Context(), "threads", "")
	if err != nil || code != 0 || stderr != "done\n" {
		t.Fatalf("exit code %d, %q, %v", code, stderr, err)
	}
	for i := range 8 {
		for j := range 50 {
			path := string(rune('a'+i)) + strings.Repeat("x", j)
			if o.failed[path] != 1 {
				t.Errorf("%s: seen %d times", path, o.failed[path])
			}
		}
	}
}

// TestEnough: the program is interrupted, ends by itself, and is no longer watched.
func TestEnough(t *testing.T) {
	o, stderr, code, err := run(t, t.Context(), "wait", "enough")
	if err != nil || code != 7 || stderr != "interrupted\n" {
		t.Errorf("exit code %d, %q, %v", code, stderr, err)
	}
	if len(o.failed) != 0 {
		t.Errorf("seen after it was enough: %v", o.failed)
	}
}

// TestCancelled: a program that does not end is ended.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, _, _, err := runSeeing(t, ctx, "hang", "", func(path string) {
		if path == "hang" {
			cancel()
		}
	})
	if err == nil {
		t.Error("no error")
	}
}

// TestChatter: a program may write more than is returned.
func TestChatter(t *testing.T) {
	if _, stderr, code, err := run(t, t.Context(), "chatter", ""); err != nil || code != 0 || len(stderr) != stderrBytes {
		t.Errorf("exit code %d, %d bytes, %v", code, len(stderr), err)
	}
}

// TestLeavesBehind: Run does not wait for a child that outlives the program, and a later
// end of the context kills no process.
func TestLeavesBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(pipe, path)
	ctx, cancel := context.WithCancel(t.Context())
	_, _, code, err := run(t, ctx, "leave", "")
	cancel()
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	// The child waits until this is opened, and answers.
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if said, err := os.ReadFile(path); err != nil || string(said) != "left\n" {
		t.Errorf("it was ended: %q, %v", said, err)
	}
}

// TestExec: a program is still watched after execve.
func TestExec(t *testing.T) {
	o, stderr, code, err := run(t, t.Context(), "exec", "")
	if err != nil || code != 0 || stderr != "done\n" || len(o.failed) != 8*50 {
		t.Errorf("exit code %d, %q, %d calls, %v", code, stderr, len(o.failed), err)
	}
}

// TestNoProgram: there is nothing to trace.
func TestNoProgram(t *testing.T) {
	if _, _, err := Run(t.Context(), []string{"/none"}, nil); err == nil {
		t.Error("no error")
	}
}
