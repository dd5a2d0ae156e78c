// SPDX-License-Identifier: MIT

package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	second := Event{Kind: Oops, Line: "Oops: int3: 0000 [#2] PREEMPT SMP NOPTI", At: 59, Time: 3428411 * time.Microsecond}
	for name, want := range map[string][]Event{
		"6.12-int3-oops-and-panic.log": {
			{Kind: Oops, Line: "Oops: int3: 0000 [#1] PREEMPT SMP NOPTI", At: 5, Time: 3423742 * time.Microsecond},
			second,
			{Kind: Panic, Line: "Kernel panic - not syncing: Fatal exception in interrupt", At: 76, Time: 3428778 * time.Microsecond, Cause: &second},
		},
		"6.1-rcu-stall.log": {
			{Kind: RCUStall, Line: "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", At: 8, Time: 26653066 * time.Microsecond},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, Scan(readLog(t, name))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// inPieces scans a log as it comes in pieces of that many bytes.
func inPieces(log []byte, size int) (events []Event) {
	var s Scanner
	for len(log) > 0 {
		n := min(size, len(log))
		events = append(events, s.Take(log[:n])...)
		log = log[n:]
	}
	return append(events, s.Flush()...)
}

// TestPieces: the events do not depend on where a log is cut, even if a line has no end.
func TestPieces(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine-100) + "[    9.0] Oops: 0002 [#1] SMP"
	for name, log := range map[string][]byte{
		"an oops and a panic": readLog(t, "6.12-int3-oops-and-panic.log"),
		"a stall":             readLog(t, "6.1-rcu-stall.log"),
		"all heads":           readLog(t, "heads.tsv"),
		"no line end":         []byte(long),
		"a long line":         []byte("[    1.0] first\n" + long + "\n[    9.0] BUG: x\n"),
	} {
		want := Scan(log)
		if len(want) == 0 {
			t.Fatalf("%s: no event", name)
		}
		for _, size := range []int{1, 2, 3, 5, 17, 64, 1000, 4096, maxLine - 1, maxLine, maxLine + 1} {
			if size < 1000 && len(log) > maxLine {
				continue
			}
			if diff := cmp.Diff(want, inPieces(log, size)); diff != "" {
				t.Errorf("%s, %d bytes (-want +got):\n%s", name, size, diff)
			}
		}
	}
}

func TestWorst(t *testing.T) {
	if _, ok := Worst(nil); ok {
		t.Error("nothing is a complaint")
	}
	worst, ok := Worst([]Event{{Kind: WARN, Line: "w"}, {Kind: Oops, Line: "first"}, {Kind: Oops, Line: "second"}, {Kind: HungTask, Line: "h"}})
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
	events := []Event{{Kind: WARN, Line: "WARNING: CPU: 0 PID: 1 at drivers/foo.c:1"}, {Kind: WARN, Line: "WARNING: CPU: 0 PID: 1 at drivers/bar.c:1"}, {Kind: Panic, Line: "Kernel panic - x"}}
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
	if got := strings.Join(Tail([]byte(log), 2), "|"); got != "red|last" {
		t.Errorf("got %q", got)
	}
	if got := Tail(nil, 3); len(got) != 0 {
		t.Errorf("tail of nothing is %q", got)
	}
	if got := Tail(readLog(t, "6.1-rcu-stall.log"), 3); len(got) != 3 {
		t.Errorf("%d lines, want 3", len(got))
	}
}

// TestExcerpt: the report of an event, without what a program wrote.
func TestExcerpt(t *testing.T) {
	log := []byte("[    1.0] before\r\n" +
		"login: [    2.0] WARNING: CPU: 0 PID: 1 at foo+0x1/0x2\r\n" +
		"[    2.0] \x1b[31mModules linked in:\x1b[m\r\n[    2.0] \r\n[    2.0] Call Trace:\r\n[    2.0]  foo+0x1/0x2\r\n" +
		"[    2.0] ---[ end trace 0000000000000000 ]---\r\n[    3.0] after\r\n")
	events := Scan(log)
	if len(events) != 1 || events[0].Time != 2*time.Second {
		t.Fatalf("events %+v", events)
	}
	report := []string{"[    2.0] WARNING: CPU: 0 PID: 1 at foo+0x1/0x2", "[    2.0] Modules linked in:", "[    2.0] Call Trace:", "[    2.0]  foo+0x1/0x2"}
	for _, n := range []int{0, 1, 3, 4, 100} {
		if diff := cmp.Diff(report[:min(n, len(report))], Excerpt(log, events[0], n), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%d lines (-want +got):\n%s", n, diff)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(readLog(f, "6.12-int3-oops-and-panic.log"), 3)
	for _, row := range rows(f) {
		f.Add([]byte(row.line+"\r\n"), 5)
	}
	f.Add([]byte("[    1.0][ T1] WARNING: CPU: 0 PID: 1 at x\r\n"), 1)
	f.Fuzz(func(t *testing.T, log []byte, n int) {
		lines := strings.Count(string(log), "\n") + 1
		last := 0
		events := Scan(log)
		if diff := cmp.Diff(events, inPieces(log, 1+max(n%100, 0))); diff != "" {
			t.Errorf("in pieces (-want +got):\n%s", diff)
		}
		for _, event := range events {
			for _, line := range Excerpt(log, event, 3) {
				if strings.ContainsAny(line, "\x1b\r\n\x00") {
					t.Errorf("line %q would control a terminal", line)
				}
			}
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

// TestStamps: programs write to the console as well, and a record may have several lines.
func TestStamps(t *testing.T) {
	log := "[    1.000002] one\r\n" +
		"no stamp\n" +
		"half a line[    1.000003] two\n" +
		"[    1.000003] and its second line\n" +
		"[    0.999999] of a CPU whose clock is behind\n"
	want := map[time.Duration]int{
		1000002 * time.Microsecond: 1, 1000003 * time.Microsecond: 4, 999999 * time.Microsecond: 5,
	}
	if diff := cmp.Diff(want, Stamps([]byte(log))); diff != "" {
		t.Errorf("stamps (-want +got):\n%s", diff)
	}
}
