// SPDX-License-Identifier: MIT

package claims

import (
	"math"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

// TestNotMeasured: one trial that is not ok leaves the claims of its scenario undecided, with
// its reason, and no others.
func TestNotMeasured(t *testing.T) {
	for _, c := range Table() {
		for _, scenario := range c.Scenarios {
			for _, status := range record.Statuses()[1:] {
				trials := made(t, native, native)
				i := 0
				for trials[i].Trial.Scenario != scenario {
					i++
				}
				trials[i] = record.Trial{Status: status, Reason: "the\nreason", Kernel: trials[i].Kernel, Machine: trials[i].Machine, Trial: trials[i].Trial, Cell: trials[i].Cell}
				got := outcome(t, trials, c.Number)
				if got.Verdict != Undecidable || got.Reason != scenario+": a trial is "+string(status)+": the reason" {
					t.Errorf("claim %d, %s %s: %s: %s", c.Number, scenario, status, got.Verdict, got.Reason)
				}
				if other := outcome(t, trials, 9); scenario != "execve-loop" && other.Verdict != Refuted {
					t.Errorf("claim 9 without %s: %s: %s", scenario, other.Verdict, other.Reason)
				}
			}
			trials := made(t, native, native)
			kept := trials[:0]
			for _, one := range trials {
				if one.Trial.Scenario != scenario {
					kept = append(kept, one)
				}
			}
			if got := outcome(t, kept, c.Number); got.Verdict != Undecidable || got.Reason != scenario+": no trial" {
				t.Errorf("claim %d without %s: %s: %s", c.Number, scenario, got.Verdict, got.Reason)
			}
		}
	}
}

// TestOddRecords: what a record may lack, or hold that cannot be, is no crash and no figure.
func TestOddRecords(t *testing.T) {
	odd := []func(*record.Trial){
		func(t *record.Trial) { t.Counts = nil },
		func(t *record.Trial) { t.Counts = &record.Counts{} },
		func(t *record.Trial) { t.Counts = &record.Counts{Failed: map[string]uint64{"EAGAIN": math.MaxUint64}} },
		func(t *record.Trial) { t.Cost, t.Rate = &record.Cost{}, &record.Rate{} },
		func(t *record.Trial) { t.Victims = &record.Victims{} },
		func(t *record.Trial) { t.Cell = record.Cell{} },
		func(t *record.Trial) { t.Machine = record.Machine{} },
		func(t *record.Trial) { t.Trial = record.Place{Plan: Plan} },
		func(t *record.Trial) { t.Trial.Side = "C" },
		func(t *record.Trial) {
			rate(math.NaN(), math.Inf(1))(t)
			t.Cost = &record.Cost{ConsumerCPUNSPerEvent: math.NaN(), ProducerNSPerEvent: -1, InstructionsPerEvent: math.Inf(1), ConsumerInstructionsPerEvent: math.NaN()}
		},
		func(t *record.Trial) { rate(math.SmallestNonzeroFloat64, math.MaxFloat64)(t) },
	}
	for _, machine := range []record.Machine{native, large, counts, counting} {
		for i, f := range odd {
			for _, only := range []which{every, side("A"), side("B")} {
				trials := made(t, machine, machine)
				change(trials, "", only, f)
				for _, o := range Decide(trials) {
					if o.Reason == "" || o.Ours == "" || strings.Contains(o.Ours+o.Reason, "NaN") || strings.Contains(o.Ours+o.Reason, "Inf") {
						t.Errorf("odd record %d, claim %d: %q, %q, %q", i, o.Claim.Number, o.Verdict, o.Ours, o.Reason)
					}
				}
			}
		}
	}
	if all := Decide(nil); len(all) != 0 {
		t.Errorf("%d outcomes of nothing", len(all))
	}
	if all := Decide([]record.Trial{{Trial: record.Place{Plan: "quick"}}}); len(all) != 0 {
		t.Errorf("%d outcomes of another plan", len(all))
	}
}

// FuzzDecide: no record that can be read is a crash.
func FuzzDecide(f *testing.F) {
	trials := made(f, native, counts)
	for i := range trials {
		if t := &trials[i]; t.Trial.Block == 0 && t.Trial.Position < 2 {
			var b strings.Builder
			if err := record.Write(&b, t); err != nil {
				f.Fatal(err)
			}
			f.Add(b.String())
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := record.Read(strings.NewReader(text)) // those that can be read
		for _, o := range Decide(all) {
			if o.Verdict == "" || o.Reason == "" || strings.ContainsAny(o.Reason, "\n\r") {
				t.Errorf("claim %d: %q, %q", o.Claim.Number, o.Verdict, o.Reason)
			}
		}
	})
}
