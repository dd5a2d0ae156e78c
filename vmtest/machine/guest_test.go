// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// TestMain is the init of the machines that these tests start, too.
func TestMain(m *testing.M) {
	if guest.IsInit() {
		guest.Main(faultAgent)
	}
	if len(os.Args) == 2 && os.Args[1] == "guest" { // of virtme-ng
		if err := guest.Serve(faultAgent); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	os.Exit(test(m))
}

func test(m *testing.M) int {
	testutils.Patience()
	var err error
	if save.dir, err = os.MkdirTemp("", "ringtwin-machine-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(save.dir)
	return m.Run()
}

const splat = "<4>WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2\n"

// faultAgent does in the guest what a test asks for.
func faultAgent(_ context.Context, request json.RawMessage, send func(any) error) error {
	var what string
	if err := json.Unmarshal(request, &what); err != nil {
		return err
	}
	switch what {
	case "echo":
		return send(what)
	case "error":
		return errors.New("as asked")
	case "stuck":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(3) // init is gone: the kernel panics
	case "power off":
		return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	case "crash":
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "splat":
		return errors.Join(os.WriteFile("/dev/kmsg", []byte(splat), 0), send(what))
	case "panic on warn":
		for _, line := range []string{splat, "<0>Kernel panic - not syncing: kernel: panic_on_warn set ...\n"} {
			if err := os.WriteFile("/dev/kmsg", []byte(line), 0); err != nil {
				return err
			}
		}
		return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	case "chatter":
		if err := os.WriteFile("/dev/ttyS0", chatter(), 0); err != nil {
			return err
		}
		return send(what)
	case "noise":
		port, err := os.OpenFile(wire.ControlPort, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer port.Close()
		if _, err := fmt.Fprintln(port, "this is no frame"); err != nil {
			return err
		}
		return send(what)
	case "huge":
		return send(strings.Repeat("x", 1<<20))
	}
	return fmt.Errorf("no such request: %s", what)
}

// TestLongRequest: a request that the guest does not read times out too.
func TestLongRequest(t *testing.T) {
	m := fresh(t, saved(t))
	if _, err := m.monitor.execute("stop", nil); err != nil {
		t.Fatal(err)
	}
	m.cfg.Limits.Liveness = time.Second // it has no answer
	_, err := do(t, m, strings.Repeat("x", 1<<20), time.Second)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Outcome != Hang {
		t.Errorf("%v", err)
	}
}

// TestReboot: a machine that was restored boots when it is reset, and a
// guest that resets it afterwards ends it as before.
func TestReboot(t *testing.T) {
	m := fresh(t, saved(t))
	ready, err := m.Reboot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ready.CPUs != m.cfg.CPUs {
		t.Errorf("ready %+v", ready)
	}
	if answers, err := do(t, m, "echo", testutils.Limit); err != nil || len(answers) != 1 {
		t.Errorf("after the reboot: %q, %v", answers, err)
	}
	_, err = do(t, m, "crash", testutils.Limit)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Outcome != Panic {
		t.Errorf("crash after the reboot: %v", err)
	}
}

// chatter is more than any socket or pipe holds.
func chatter() []byte {
	var text []byte
	for n := range 20_000 {
		text = fmt.Appendf(text, "line %d\n", n)
	}
	return text
}

// TestConsoleIsExact: the log has a kernel's output character by character, also if the
// host is busy.
func TestConsoleIsExact(t *testing.T) {
	m := fresh(t, saved(t))
	var over atomic.Bool
	defer over.Store(true)
	for range 8 * runtime.NumCPU() {
		go func() {
			for !over.Load() {
			}
		}()
	}
	if _, err := do(t, m, "chatter", testutils.Limit); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(m.cfg.Console)
	if err != nil {
		t.Fatal(err)
	}
	want := string(bytes.ReplaceAll(chatter(), []byte("\n"), []byte("\r\n"))) // by the terminal
	first, _, _ := strings.Cut(want, "\n")
	_, said, _ := strings.Cut(string(log), first)
	said = first + said
	for i := range want {
		if i == len(said) || said[i] != want[i] {
			t.Fatalf("after %d characters: %q, want %q", i, said[max(0, i-20):min(len(said), i+20)], want[max(0, i-20):min(len(want), i+20)])
		}
	}
}

// saved is a machine that waits for requests, the same for all tests.
func saved(t *testing.T) *Snapshot {
	t.Helper()
	testutils.QEMU(t)
	save.once.Do(func() {
		bundle := testkernels.Bundle(t, testkernels.Name(t, testkernels.Usual), false)
		archive, err := initramfs.Self(save.dir)
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{Kernel: bundle.Image, Initramfs: archive, Console: filepath.Join(save.dir, "boot.log")}.Defaults()
		if save.snapshot, err = SaveSnapshot(t.Context(), save.dir, cfg, "test"); err != nil {
			t.Fatal(err)
		}
	})
	if save.snapshot == nil {
		t.Fatal("no machine could be saved")
	}
	return save.snapshot
}

// save is the snapshot, in a directory that TestMain removes.
var save struct {
	once     sync.Once
	dir      string
	snapshot *Snapshot
}

func fresh(t *testing.T, snapshot *Snapshot) *Machine {
	t.Helper()
	m, err := snapshot.Start(filepath.Join(t.TempDir(), "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	if _, err := m.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func do(t *testing.T, m *Machine, what string, timeout time.Duration) (answers []string, err error) {
	t.Helper()
	err = m.Do(t.Context(), what, timeout, func(body json.RawMessage) error {
		var text string
		defer func() { answers = append(answers, text) }()
		return json.Unmarshal(body, &text)
	})
	return answers, err
}

// TestFaults: each failure of a guest is classified, in any state of the machine, and
// QEMU is gone afterwards.
func TestFaults(t *testing.T) {
	snapshot := saved(t)
	for what, test := range map[string]struct {
		want Outcome
		says string
		// limit is for what never answers: the others end by themselves.
		limit time.Duration
		// before is done to the machine first.
		before func(t *testing.T, m *Machine)
	}{
		"stuck":     {want: Timeout, says: "the kernel is alive", limit: time.Second},
		"exit":      {want: Panic, says: "Attempted to kill init"},
		"crash":     {want: Panic, says: "sysrq triggered crash"},
		"power off": {want: Lost, says: "QEMU ended"},
		// What made the kernel panic, and where that is.
		"panic on warn": {want: Panic, says: "WARN: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2 (line "},
		"noise":         {want: Lost, says: "not a frame"},
		"echo": {want: Hang, says: "does not answer sysrq", limit: time.Second, before: func(t *testing.T, m *Machine) {
			if _, err := m.monitor.execute("stop", nil); err != nil {
				t.Fatal(err)
			}
			m.cfg.Limits.Liveness = time.Second // it has no answer
		}},
		"huge": {want: Lost, says: "QEMU ended", before: func(t *testing.T, m *Machine) {
			if err := m.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := fresh(t, snapshot)
			if test.before != nil {
				test.before(t, m)
			}
			_, err := do(t, m, what, cmp.Or(test.limit, testutils.Limit))
			var f *Failure
			if !errors.As(err, &f) || f.Outcome != test.want || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %s: %s", err, test.want, test.says)
			}
			if !strings.Contains(f.Report(), "to repeat this machine:") || strings.Contains(f.Command, "fd=") {
				t.Errorf("report:\n%s", f.Report())
			}
			gone(t, m)
		})
	}
}

// TestRequests: an error of the guest's handler does not affect the machine, and a splat
// on the console is reported.
func TestRequests(t *testing.T) {
	m := fresh(t, saved(t))
	if _, err := do(t, m, "error", testutils.Limit); !errors.As(err, new(GuestError)) || err.Error() != "as asked" {
		t.Errorf("error: %v", err)
	}
	if answers, err := do(t, m, "huge", testutils.Limit); err != nil || len(answers) != 1 || len(answers[0]) != 1<<20 {
		t.Errorf("a large answer: %d answers, %v", len(answers), err)
	}
	if events, err := m.Complaints(); err != nil || len(events) != 0 {
		t.Errorf("complaints %v, %v, want none", events, err)
	}
	if _, err := do(t, m, "splat", testutils.Limit); err != nil {
		t.Fatal(err)
	}
	var events []console.Event
	testutils.WaitFor(t, "the warning on the console", func() bool {
		more, err := m.Complaints()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, more...)
		return len(events) > 0
	})
	if len(events) != 1 || events[0].Kind != console.WARN {
		t.Errorf("complaints %v, want the warning", events)
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, m)
}
