// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readLog reads a log that a real kernel wrote.
func readLog(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// TestScanRealLogs: what real kernels wrote, two interleaved oopses included.
func TestScanRealLogs(t *testing.T) {
	for name, want := range map[string][]Event{
		"6.12-int3-oops-and-panic.log": {
			{Kind: Oops, Line: "Oops: int3: 0000 [#1] PREEMPT SMP NOPTI", At: 5},
			{Kind: Oops, Line: "Oops: int3: 0000 [#2] PREEMPT SMP NOPTI", At: 59},
			{Kind: Panic, Line: "Kernel panic - not syncing: Fatal exception in interrupt", At: 76},
		},
		"6.1-rcu-stall.log": {
			{Kind: RCUStall, Line: "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", At: 8},
			{Kind: RCUStall, Line: "rcu: rcu_preempt kthread starved for 5249 jiffies! g441 f0x2 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1", At: 10},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, Scan(readLog(t, name))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestScan: the head lines as kernels from 5.10 to 7 write them.
func TestScan(t *testing.T) {
	for head, want := range map[string]Kind{
		"Kernel panic - not syncing: sysrq triggered crash":                                   Panic,
		"Kernel panic -  not syncing: System is deadlocked on memory":                         Panic, // the second blank is the port's
		"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)":      Panic,
		"BUG: unable to handle page fault for address: ffffffffc0000000":                      Oops,
		"BUG: kernel NULL pointer dereference, address: 0000000000000000":                     Oops,
		"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP":  Oops,
		"Oops: general protection fault, kernel NULL pointer dereference 0x0: 0000 [#1] SMP":  Oops,
		"Oops: 0002 [#1] PREEMPT SMP NOPTI":                                                   Oops,
		"invalid opcode: 0000 [#1] SMP":                                                       Oops,
		"kernel BUG at mm/slub.c:4023!":                                                       BUG,
		"BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580":    BUG,
		"BUG: scheduling while atomic: init/1/0x00000002":                                     BUG,
		"BUG: Bad page state in process init  pfn:00001":                                      BUG,
		"BUG: KASAN: slab-out-of-bounds in foo+0x1/0x2":                                       KASAN,
		"BUG: KFENCE: use-after-free read in foo+0x1/0x2":                                     KASAN,
		"UBSAN: array-index-out-of-bounds in kernel/foo.c:1:2":                                KASAN,
		"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]":                          Lockup,
		"NMI watchdog: Watchdog detected hard LOCKUP on cpu 1":                                Lockup,
		"BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!":          Lockup,
		"rcu: INFO: rcu_sched self-detected stall on CPU":                                     RCUStall,
		"INFO: rcu_tasks detected stalls on tasks:":                                           RCUStall,
		"INFO: task init:1 blocked for more than 120 seconds.":                                HungTask,
		"Out of memory: Killed process 77 (load) total-vm:1204kB, anon-rss:4kB, file-rss:0kB": OOM,
		"WARNING: possible circular locking dependency detected":                              Lockdep,
		"WARNING: suspicious RCU usage":                                                       Lockdep,
		"WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected":                         Lockdep,
		"WARNING: CPU: 0 PID: 1 at kernel/trace/trace.c:1 foo+0x1/0x2":                        WARN,
		"WARNING: kernel/trace/trace.c:1 at foo+0x1/0x2, CPU#0: init/1":                       WARN,
		"WARNING: Spectre v2 mitigation leaves CPU vulnerable":                                "",
		"Warning: unable to open an initial console.":                                         "",
		"ACPI BIOS Error (bug): Failure creating named object":                                "",
		"PCI: Using configuration type 1 for base access":                                     "",
		"Run /init as init process":                                                           "",
		"rcu: Hierarchical RCU implementation.":                                               "",
		"Kernel command line: panic=-1 oops=panic console=ttyS0":                              "",
		"audit: initializing netlink subsys (disabled) BUG: not at the beginning":             "",
	} {
		for _, prefix := range []string{"", "[    1.234567] ", "[12345.678901][    T1] ", "<4>[    0.000000] ", "[    1.0][ C0] "} {
			events := Scan([]byte("before\r\n" + prefix + head + "\r\nafter\n"))
			var got []string
			for _, event := range events {
				got = append(got, fmt.Sprint(event.Kind, event.At))
			}
			wanted := ""
			if want != "" {
				wanted = fmt.Sprint(want, 2)
			}
			if strings.Join(got, " ") != wanted {
				t.Errorf("%s%s: %q, want %q", prefix, head, got, wanted)
			}
		}
	}
}

// TestScanOneFault: location and cause are two lines of one event.
func TestScanOneFault(t *testing.T) {
	log := `[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    3.1] #PF: supervisor write access in kernel mode
[    3.1] #PF: error_code(0x0002) - not-present page
[    3.1] PGD 0 P4D 0
[    3.1] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    4.0] kernel BUG at mm/slub.c:1!
[    4.0] invalid opcode: 0000 [#2] SMP
[    9.0] Oops: 0000 [#3] SMP
`
	var got []string
	for _, event := range Scan([]byte(log)) {
		got = append(got, string(event.Kind))
	}
	if diff := cmp.Diff([]string{"oops", "BUG", "oops"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWorst(t *testing.T) {
	if _, ok := Worst(nil); ok {
		t.Error("nothing is a complaint")
	}
	worst, ok := Worst([]Event{{Kind: WARN, Line: "w", At: 1}, {Kind: Oops, Line: "first", At: 2}, {Kind: Oops, Line: "second", At: 3}, {Kind: HungTask, Line: "h", At: 4}})
	if !ok || worst.Line != "first" {
		t.Errorf("worst is %+v", worst)
	}
}

func TestAllowed(t *testing.T) {
	const list = `
# what we know
WARNING: .* at drivers/foo\.c # reported, harmless
panic # never works
`
	allowed, err := ReadAllowed(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	events := []Event{{Kind: WARN, Line: "WARNING: CPU: 0 PID: 1 at drivers/foo.c:1", At: 1}, {Kind: WARN, Line: "WARNING: CPU: 0 PID: 1 at drivers/bar.c:1", At: 2}, {Kind: Panic, Line: "Kernel panic - x", At: 3}}
	if diff := cmp.Diff(events[1:], allowed.Filter(events)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"WARNING", "WARNING #", "WARNING # ", "( # broken", ".* # everything", " # nothing"} {
		if _, err := ReadAllowed(strings.NewReader(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestTail(t *testing.T) {
	log := "first\r\n\r\n\x1b[31mred\x1b[m\r\n  \r\nlast \x00\xff\n"
	if got := strings.Join(Tail([]byte(log), 2), "|"); got != "[31mred[m|last" {
		t.Errorf("got %q", got)
	}
	if got := Tail(nil, 3); len(got) != 0 {
		t.Errorf("tail of nothing is %q", got)
	}
	if got := Tail(readLog(t, "6.1-rcu-stall.log"), 3); len(got) != 3 {
		t.Errorf("%d lines, want 3", len(got))
	}
}

func FuzzScan(f *testing.F) {
	f.Add(readLog(f, "6.12-int3-oops-and-panic.log"), 3)
	f.Add([]byte("[    1.0][ T1] WARNING: CPU: 0 PID: 1 at x\r\n"), 1)
	f.Fuzz(func(t *testing.T, log []byte, n int) {
		lines := strings.Count(string(log), "\n") + 1
		last := 0
		for _, event := range Scan(log) {
			if event.At <= last || event.At > lines || event.Line == "" {
				t.Errorf("event %+v in %d lines, after line %d", event, lines, last)
			}
			last = event.At
		}
		for _, line := range Tail(log, min(max(n, 0), 100)) {
			if strings.ContainsAny(line, "\x1b\r\n\x00") {
				t.Errorf("line %q would control a terminal", line)
			}
		}
	})
}

// BenchmarkScan: a kernel that writes endlessly, with and without splats.
func BenchmarkScan(b *testing.B) {
	quiet := bytes.Repeat([]byte(strings.Repeat("all work and no play makes a dull kernel; ", 24)+"\r\n"), 10_000)
	loud := bytes.Repeat(readLog(b, "6.12-int3-oops-and-panic.log"), 1000)
	for name, log := range map[string][]byte{"quiet": quiet, "loud": loud} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				Scan(log)
			}
		})
	}
}
