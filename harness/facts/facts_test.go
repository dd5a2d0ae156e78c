// SPDX-License-Identifier: MIT

package facts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

func TestMain(m *testing.M) {
	Loader()
	os.Exit(m.Run())
}

// runAll decides all statements on this kernel.
func runAll(t *testing.T) map[string]Result {
	t.Helper()
	testutils.Root(t)
	results := map[string]Result{}
	err := Run(t.Context(), nil, OnlyBoot, func(r Result) error {
		results[r.ID] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestHost: on this kernel every statement holds, or cannot be decided for a known
// reason. Inverted, each of its expectations fails.
func TestHost(t *testing.T) {
	on, err := running()
	if err != nil {
		t.Fatal(err)
	}
	results := runAll(t)
	for _, s := range Statements() {
		r := results[s.ID]
		t.Logf("%-34s %-13s %4d ms  %s", s.ID, r.Verdict, r.DurationNS/1e6, r.Seen)
		switch {
		case r.Verdict == Holds:
			for i := range r.Checks {
				turned := slices.Clone(r.Checks)
				turned[i].Want = "not " + turned[i].Seen
				if got := conclude(s, on, turned, nil); got.Verdict != Fails {
					t.Errorf("%s with %q turned round: %s", s.ID, turned[i].What, got.Verdict)
				}
			}
		case r.Verdict != NotSupported || !canBeNotSupported.MatchString(r.Seen):
			// The name of a failed test says which statement it is.
			t.Run(s.ID, func(t *testing.T) { t.Errorf("%s: %s", r.Verdict, r.Seen) })
		}
	}
}

// canBeNotSupported matches why a statement cannot be decided on a kernel, or natively:
// some kernels lack kprobes, and a reboot needs a VM.
var canBeNotSupported = regexp.MustCompile("built without|takes two boots|takes a machine|takes 2 CPUs|PREEMPT_RT kernel|for distributions to define|kernel of Ubuntu|does not preempt itself|^before ")

// TestTurnedRound: experiments with wrong expectations, on the real kernel.
func TestTurnedRound(t *testing.T) {
	testutils.Root(t)
	for name, run := range map[string]func(*T){
		"one record more": func(t *T) {
			fitted, _ := t.fill(t.output(t.ring(page, 0).Map), 100)
			t.check("records", (page-1)/ringFootprint(100)+1, fitted)
		},
		"another errno": func(t *T) {
			t.check("output", nil, t.output(t.perfArray())(8, 0))
		},
		"a discard does not wake": func(t *T) {
			ring := t.ring(page, 0)
			ring.wait()
			t.reserve(t.reserveProgram(ring.Map, 8), discardIt, 0)
			t.check("wakes", false, ring.woken())
		},
		"no stall": func(t *T) {
			ring, output := t.waited(0)
			t.ok(t.outputWith(ring.Map, noWakeup)(8, 1))
			t.ok(output(8, 2))
			t.check("wakes", true, ring.woken())
		},
		"the loss is reported at once": func(t *T) {
			array := t.perfArray()
			ring := t.perfRing(array, t.onCPU(0), page, bpfOutput())
			t.overflow(t.output(array), 100, 5)
			t.check("lost", 5, lost(ring.read()))
		},
		"no wedge":          func(t *T) { t.check("wedged", false, t.isWedged(page, 4053)) },
		"a wedge beside it": func(t *T) { t.check("wedged", true, t.isWedged(page, 4052)) },
		"submission's order": func(t *T) {
			ring := t.ring(page, 0)
			t.reserve(t.reserveTwoProgram(ring.Map, 8, 8))
			t.check("read", []uint64{2, 1}, numbers(ring.read()))
		},
		"a map without program stays": func(t *T) {
			m := t.plainMap()
			id := t.id(maps, m.FD())
			t.closeNow(m)
			t.check("there", true, t.stays(maps, id))
		},
		"nothing is compared": func(*T) {},
		"it goes wrong":       func(t *T) { t.must("do", os.ErrInvalid) },
		"it panics":           func(*T) { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			if r := decide(t, Statement{ID: name, run: run}); r.Verdict != Fails || r.Seen == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// decide runs one experiment on this kernel.
func decide(t *testing.T, s Statement) Result {
	t.Helper()
	on, err := running()
	if err != nil {
		t.Fatal(err)
	}
	cpus, err := affinity()
	if err != nil {
		t.Fatal(err)
	}
	experiment := &T{ctx: t.Context(), kernel: on, cpus: cpus}
	experiment.do(s.run)
	return conclude(s, on, experiment.checks, experiment.err)
}

// heldElsewhere reports whether another process has a descriptor of the object: then it is
// that process's, which may be a test of another package and run for minutes.
// bpf_prog_show_fdinfo in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/syscall.c
func heldElsewhere(of kind, id uint32) bool {
	line := fmt.Appendf(nil, "%s_id:\t%d\n", map[string]string{"program": "prog", "map": "map", "link": "link"}[of.name], id)
	files, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	own := fmt.Sprintf("/proc/%d/", os.Getpid())
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.HasPrefix(file, own) && bytes.Contains(text, line)
	})
}

// TestNothingIsLeftBehind: neither maps nor programs nor links of ours.
func TestNothingIsLeftBehind(t *testing.T) {
	testutils.Root(t)
	kinds := []kind{maps, programs, links}
	before := make([]map[uint32]bool, len(kinds))
	decide(t, Statement{run: func(t *T) {
		for i, of := range kinds {
			before[i] = t.ids(of)
		}
	}})
	runAll(t)
	r := decide(t, Statement{run: func(t *T) {
		for i, of := range kinds {
			for id := range t.ids(of) {
				if !before[i][id] {
					gone := t.eventually(func() bool { return !t.alive(of, id) || heldElsewhere(of, id) })
					t.check(of.name+" goes", true, gone)
				}
			}
		}
		t.check("looked", true, true)
	}})
	if r.Verdict != Holds {
		t.Errorf("%+v", r)
	}
}

func TestStatements(t *testing.T) {
	seen := map[string]bool{}
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	all := Statements()
	for _, s := range all {
		switch {
		case !kebab.MatchString(s.ID) || seen[s.ID] || slices.Contains(Groups(), s.ID):
			t.Errorf("id %q", s.ID)
		case s.Text == "" || s.Text[len(s.Text)-1] != '.' || s.run == nil:
			t.Errorf("%s: %q", s.ID, s.Text)
		case !regexp.MustCompile(`https://\S+$`).MatchString(s.Source):
			t.Errorf("%s: source %q", s.ID, s.Source)
		}
		seen[s.ID] = true
	}
	if len(all) < 40 {
		t.Errorf("%d statements", len(all))
	}
}

func TestSelect(t *testing.T) {
	one, err := Select([]string{"wedge", "order"})
	if err != nil {
		t.Fatal(err)
	}
	ids := IDs(one)
	if !slices.Contains(ids, "wedge") || !slices.Contains(ids, "query") || slices.Contains(ids, "ids") {
		t.Errorf("selected %v", ids)
	}
	if _, err := Select([]string{"wege"}); err == nil {
		t.Error("unknown statement accepted")
	}
}

func TestSummary(t *testing.T) {
	results := map[string]Result{"a": {Verdict: Holds}}
	c := Column{Results: results}
	if got, want := c.Summary(), "1 statements decided"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	results["c"] = Result{Verdict: Fails, Seen: "bytes: 8, want 9\nand more"}
	results["b"] = Result{Verdict: Fails, Seen: "panic"}
	if got, want := c.Summary(), "3 statements decided, b does not hold (panic), c does not hold (bytes: 8, want 9)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
