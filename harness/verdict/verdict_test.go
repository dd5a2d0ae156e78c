// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// trialOf has every latency at ns.
func trialOf[T ~string](transport T, block int, ns int64) record.Trial {
	return record.Trial{
		ID: "x", Status: record.OK, Kernel: record.Kernel{Want: "6.1"},
		Cell:    record.Cell{Transport: vocab.Transport(transport)},
		Trial:   record.Place{Block: block},
		Counts:  &record.Counts{Started: 13, Misses: 1, Attempts: 12, Delivered: 10, Failed: map[string]uint64{"ENOSPC": 2}, LostTail: 1},
		Latency: &record.Latency{N: 1000, P50: ns, P99: ns, Max: ns},
		Cost:    &record.Cost{ProducerNSPerEvent: float64(ns), ConsumerCPUNSPerEvent: float64(ns), Wakeups: 5, ContextSwitches: 6},
		Rate:    &record.Rate{DeliveredHz: 1000, DurationNS: 1e9},
		Memory:  &record.Memory{LockedBytes: 100, MapBytes: 1},
		Ledger:  make([]record.Invariant, 16),
	}
}

func row(t *testing.T, c Comparison, name string) Row {
	t.Helper()
	for _, r := range c.Rows {
		if r.Metric.Name == name {
			return r
		}
	}
	t.Fatalf("no row %q", name)
	return Row{}
}

// TestRatioIsPairedByBlock: a machine that is twice as slow in one block
// changes the medians and not the ratio.
func TestRatioIsPairedByBlock(t *testing.T) {
	c := Compare([]record.Trial{
		trialOf("perf", 0, 100), trialOf("ringbuf", 0, 50), trialOf("ringbuf", 0, 50), trialOf("perf", 0, 100),
		trialOf("ringbuf", 1, 1000), trialOf("perf", 1, 2000), trialOf("perf", 1, 2000), trialOf("ringbuf", 1, 1000),
	})[0]
	r := row(t, c, "latency p50")
	if r.A != 1050 || r.B != 525 {
		t.Errorf("medians %g and %g", r.A, r.B)
	}
	if math.Abs(r.Ratio-0.5) > 1e-12 || r.Blocks != 2 || math.Abs(r.Low-0.5) > 1e-12 || math.Abs(r.High-0.5) > 1e-12 {
		t.Errorf("ratio %+v", r)
	}
	if w := row(t, c, "wake-ups, per event"); w.A != 0.5 {
		t.Errorf("wake-ups %g, want 0.5", w.A)
	}
	if m := row(t, c, "memory of the rings"); m.A != 101 {
		t.Errorf("memory %g, want 101", m.A)
	}
	if c.A.Total.Emitted != 52 || c.A.Total.Delivered != 40 || c.A.Total.Lost() != 12 || c.A.Total.LostTail != 4 {
		t.Errorf("total %+v", c.A.Total)
	}
	if c.Invariants != 16 || c.Measured() != 8 || c.Planned != 8 {
		t.Errorf("%d invariants, %d of %d", c.Invariants, c.Measured(), c.Planned)
	}
}

// TestWhatIsNotOKHasNoFigure: it is counted, with its reason once.
func TestWhatIsNotOKHasNoFigure(t *testing.T) {
	bad := trialOf("perf", 0, 1)
	bad.Status, bad.Reason = record.Invalid, "ledger: torn"
	missing := record.Trial{ID: "y", Status: record.Panic, Reason: "oops", Kernel: record.Kernel{Want: "6.1"}, Cell: record.Cell{Transport: "perf"}}
	c := Compare([]record.Trial{trialOf("perf", 0, 100), trialOf("ringbuf", 0, 100), bad, bad, missing})[0]
	if r := row(t, c, "latency p50"); r.A != 100 || r.Ratio != 1 {
		t.Errorf("row %+v", r)
	}
	if c.Measured() != 2 || c.Planned != 5 || len(c.Reasons) != 2 || len(c.Reasons[0].Trials) != 2 {
		t.Errorf("%d of %d measured, reasons %+v", c.Measured(), c.Planned, c.Reasons)
	}
	c = Compare([]record.Trial{trialOf("perf", 0, 100), missing})[0]
	if c.Rows != nil {
		t.Error("one transport was compared with nothing")
	}
}

func TestRatioOfNothing(t *testing.T) {
	c := Compare([]record.Trial{trialOf("perf", 0, 0), trialOf("ringbuf", 0, 5)})[0]
	if r := row(t, c, "latency p50"); !math.IsNaN(r.Ratio) {
		t.Errorf("ratio to 0 is %+v", r)
	}
}

// TestMachinesApart: trials of other machines or configurations are not mixed; two runs
// of the same are, with separate blocks.
func TestMachinesApart(t *testing.T) {
	kvm := trialOf("ringbuf", 0, 1)
	kvm.Machine.Accel = "kvm"
	kprobe := trialOf("ringbuf", 0, 1)
	kprobe.Cell.Attach = "kprobe"
	if c := Compare([]record.Trial{trialOf("perf", 0, 1), kvm, kprobe}); len(c) != 3 {
		t.Errorf("%d comparisons, want 3", len(c))
	}
	run := func(name, transport string, ns int64) record.Trial {
		t := trialOf(transport, 0, ns)
		t.Trial.Run = name
		return t
	}
	c := Compare([]record.Trial{run("a", "perf", 100), run("a", "ringbuf", 50), run("b", "perf", 10), run("b", "ringbuf", 20)})
	if len(c) != 1 {
		t.Fatalf("%d comparisons, want 1", len(c))
	}
	if r := row(t, c[0], "latency p50"); r.Blocks != 2 || r.Low != 0.5 || r.High != 2 {
		t.Errorf("row %+v, want two blocks", r)
	}
	lost := record.Trial{Status: record.Lost, Kernel: record.Kernel{Want: "6.1"}, Cell: record.Cell{Transport: "perf", Attach: "auto"}}
	ok := trialOf("ringbuf", 0, 1)
	ok.Cell.Attach = "kprobe"
	if c := Compare([]record.Trial{lost, ok}); len(c) != 1 {
		t.Errorf("a trial that failed before the probe is a configuration of its own")
	}
}

// TestPlannedCountsWhatLeftNoRecord: a killed run is incomplete.
func TestPlannedCountsWhatLeftNoRecord(t *testing.T) {
	cut := trialOf("perf", 0, 1)
	cut.Trial.Trials = 12
	if c := Compare([]record.Trial{cut, cut})[0]; c.Planned != 12 || c.Measured() != 2 {
		t.Errorf("%d of %d", c.Measured(), c.Planned)
	}
}

func TestKernelsApart(t *testing.T) {
	other := trialOf("perf", 0, 1)
	other.Kernel.Want = "6.12"
	c := Compare([]record.Trial{trialOf("perf", 0, 1), other, trialOf("ringbuf", 0, 1)})
	if len(c) != 2 || c[0].Planned != 2 || c[1].Kernel.Want != "6.12" {
		t.Errorf("%d kernels", len(c))
	}
	if Compare(nil) == nil || len(Compare(nil)) != 0 {
		t.Error("nothing is not an empty list")
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		v    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := Median(test.v); got != test.want {
			t.Errorf("median of %v is %g, want %g", test.v, got, test.want)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("median of nothing is a number")
	}
}
