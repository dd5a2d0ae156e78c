// SPDX-License-Identifier: MIT

package claims

import (
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// machines of made trials.
var (
	native   = record.Machine{Backend: record.Host, Accel: "none", Clock: record.Wall, CPUs: 2}
	large    = record.Machine{Backend: record.Host, Accel: "none", Clock: record.Wall, CPUs: 16}
	single   = record.Machine{Backend: record.Host, Accel: "none", Clock: record.Wall, CPUs: 1}
	counts   = record.Machine{Backend: "qemu", Accel: "tcg", Clock: record.Wall, CPUs: 2}
	counting = record.Machine{Backend: "qemu", Accel: "tcg", Clock: record.Virtual, CPUs: 1}
)

// made are trials of the whole plan: those of costs in one machine, the others in another.
func made(t testing.TB, costs, delivery record.Machine) []record.Trial {
	t.Helper()
	p, err := plan.Load(Plan)
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Configurations(max(costs.CPUs, delivery.CPUs))
	if err != nil {
		t.Fatal(err)
	}
	var trials []record.Trial
	for _, config := range all {
		for block := range p.Blocks {
			for _, one := range p.Block("6.1", &config, block) {
				one.Status, one.Machine = record.OK, delivery
				if config.Shows == record.ShowsCosts {
					one.Machine = costs
				}
				one.Kernel = record.Kernel{Want: "6.1", Release: "6.1.1"}
				n := uint64(one.Cell.Events)
				one.Counts = &record.Counts{Started: n, Attempts: n, Submitted: n, Delivered: n, Failed: map[string]uint64{}}
				if one.Cell.Flood > 0 {
					one.Victims = &record.Victims{Sent: n}
				}
				trials = append(trials, one)
			}
		}
	}
	return trials
}

// change applies to the trials of a scenario that are selected.
func change(trials []record.Trial, scenario string, w which, f func(*record.Trial)) {
	for i := range trials {
		if t := &trials[i]; (scenario == "" || t.Trial.Scenario == scenario) && w(t) {
			f(t)
		}
	}
}

func every(*record.Trial) bool { return true }

func lose(share float64) func(*record.Trial) {
	return func(t *record.Trial) {
		n := uint64(share * float64(t.Counts.Attempts))
		t.Counts.Failed = map[string]uint64{t.Cell.Transport.Spec().Family.FullErrno: n}
		t.Counts.Delivered = t.Counts.Attempts - n
	}
}

func reads(ns, instructions float64) func(*record.Trial) {
	return func(t *record.Trial) {
		t.Cost = &record.Cost{ConsumerCPUNSPerEvent: ns, ConsumerInstructionsPerEvent: instructions}
	}
}

func runs(ns, instructions float64) func(*record.Trial) {
	return func(t *record.Trial) {
		t.Cost = &record.Cost{ProducerNSPerEvent: ns, InstructionsPerEvent: instructions}
	}
}

func rate(achieved, delivered float64) func(*record.Trial) {
	return func(t *record.Trial) { t.Rate = &record.Rate{AchievedHz: achieved, DeliveredHz: delivered} }
}

// drained gives each size the published ratio, times what it is off.
func drained(off float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		for i, scenario := range table[0].Scenarios {
			change(trials, scenario, configuration(adaptive), reads(100*table[0].Ratios[i]*off, 600))
			change(trials, scenario, configuration(inPlace), reads(100, 20))
		}
	}
}

func readerRates(idle, working float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		change(trials, "idle-reader", every, rate(idle, idle))
		change(trials, "working-reader", every, rate(working, working))
	}
}

func wokenBy(a, b, ins float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		change(trials, "wakeup", configuration(adaptive), runs(a, ins))
		change(trials, "wakeup", configuration(unwoken), runs(b, 100))
	}
}

// lost gives the transports of a scenario these shares.
func lost(scenario string, shares map[vocab.Transport]float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		for kind, share := range shares {
			change(trials, scenario, transport(kind), lose(share))
		}
	}
}

func contention(hz map[int]float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		for n, x := range hz {
			change(trials, "contention", producers(n), rate(x, x))
		}
	}
}

func missing(n uint64) func([]record.Trial) {
	return func(trials []record.Trial) {
		change(trials, "one-floods", transport(vocab.Ringbuf), func(t *record.Trial) { t.Victims.Missing = n })
	}
}

func overload(share, below, past float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		change(trials, "below-the-knee", every, rate(0, below))
		change(trials, "past-the-knee", every, rate(0, past))
		change(trials, "past-the-knee", every, lose(share))
	}
}

func costOf(perf, ring float64) func([]record.Trial) {
	return func(trials []record.Trial) {
		change(trials, "matched-cost", transport(vocab.Perf), runs(perf, perf))
		change(trials, "matched-cost", transport(vocab.Ringbuf), runs(ring, ring))
	}
}

func both(f ...func([]record.Trial)) func([]record.Trial) {
	return func(trials []record.Trial) {
		for _, f := range f {
			f(trials)
		}
	}
}

func nothing([]record.Trial) {}

const (
	perf, ring, output, batches = vocab.Perf, vocab.Ringbuf, vocab.RingbufOutput, vocab.RingbufBatched
)

type shares = map[vocab.Transport]float64

func TestDecide(t *testing.T) {
	onlyPerf := lost("matched-loss", shares{perf: 0.1})
	flat := func(trials []record.Trial) { // 0.85 to 0.99 by the length
		change(trials, "burst", transport(perf), lose(0.8))
		change(trials, "burst", transport(ring), func(t *record.Trial) {
			lose(map[bool]float64{true: 0.68, false: 0.79}[t.Cell.Events < 10000])(t)
		})
	}
	for _, test := range []struct {
		name    string
		claim   int
		costs   record.Machine
		counts  record.Machine
		make    func([]record.Trial)
		want    Verdict
		because string // in the reason
	}{
		{"as published", 1, native, native, drained(1.2), Confirmed, "1.31 against 1.09"},
		{"on the other side", 1, native, native, drained(0.5), Refuted, "128 B: 0.546 is on the other side of 1"},
		{"too far", 1, native, native, drained(2), Refuted, "differs by a factor of 2"},
		{"instructions", 1, counting, counts, drained(1), Undecidable, "copy from memory"},
		{"no figures", 1, native, native, nothing, Undecidable, noTimes},

		{"as published", 2, native, native, readerRates(300e3, 330e3), Confirmed, "0.909 against 0.92"},
		{"idle is faster", 2, native, native, readerRates(400e3, 300e3), Refuted, "other side"},
		{"emulated", 2, counting, counts, nothing, Undecidable, noTimes},
		{"one CPU", 2, single, single, readerRates(300e3, 330e3), Undecidable, oneCPU},
		{"no times published of emulation", 2, counts, counts, readerRates(300e3, 330e3), Undecidable, noTimes},

		{"as published", 3, native, native, wokenBy(1500, 30, 0), Confirmed, "50 against 56.4"},
		{"less", 3, native, native, wokenBy(300, 30, 0), Refuted, "same side"},
		{"more instructions", 3, counting, counts, wokenBy(0, 0, 700), Undecidable, noFactor},
		{"fewer instructions", 3, counting, counts, wokenBy(0, 0, 50), Refuted, "other side"},
		{"neither", 3, counting, counts, nothing, Undecidable, noTimes},

		{"only fixed", 4, counting, counts, lost("own-size", shares{ring: 0.2}), Confirmed, "only records of a fixed size"},
		{"own too", 4, counting, counts, lost("own-size", shares{ring: 0.2, output: 0.2}), Refuted, "as often"},
		{"room", 4, native, native, nothing, Undecidable, "room for both"},
		{"no room", 4, native, native, lost("own-size", shares{ring: 0.2, output: 0.1}), Undecidable, "room for neither"},

		{"same", 5, counting, counts, lost("ring-size", shares{vocab.RingbufSharded: 0.9}), Confirmed, "factor of 1"},
		{"half", 5, counting, counts, func(trials []record.Trial) {
			change(trials, "ring-size", every, func(t *record.Trial) {
				lose(map[bool]float64{true: 0.9, false: 0.4}[t.Cell.RingBytes < 100000])(t)
			})
		}, Refuted, "90 % and 40 %"},
		{"none", 5, native, native, nothing, Undecidable, "kept up"},

		{"saturated", 6, large, large, contention(map[int]float64{1: 1e6, 2: 1.5e6, 4: 1.6e6, 8: 1.5e6}), Confirmed, "1 to 2 M/s"},
		{"faster", 6, large, large, contention(map[int]float64{4: 5e6, 8: 6e6}), Refuted, "5 M/s by 4"},
		{"growing", 6, large, large, contention(map[int]float64{4: 1e6, 8: 2e6}), Refuted, "2 times as fast"},
		{"few CPUs", 6, native, native, contention(map[int]float64{4: 1e6, 8: 1e6}), Undecidable, "the machine has 2"},
		{"no rates", 6, large, large, nothing, Undecidable, noTimes},

		{"flat and fewer", 7, counting, counts, flat, Confirmed, "0.85 to 0.988"},
		{"more", 7, counting, counts, lost("burst", shares{perf: 0.5, ring: 0.6}), Refuted, "1.2 times as much"},
		{"far fewer", 7, native, native, lost("burst", shares{perf: 0.5, ring: 0.1}), Refuted, "is not between"},
		{"no loss", 7, native, native, nothing, Undecidable, "lost anything"},

		{"as published", 8, native, native, both(onlyPerf, costOf(100, 80)), Confirmed, "0.8 against"},
		{"no loss", 8, native, native, costOf(100, 80), Refuted, "loses nothing"},
		{"slower", 8, native, native, both(onlyPerf, costOf(100, 120)), Refuted, "other side"},
		{"both lose", 8, native, native, both(lost("matched-loss", shares{perf: 0.2, ring: 0.1}), costOf(100, 80)), Undecidable, "both lose"},
		{"instructions", 8, counting, counts, both(onlyPerf, costOf(100, 80)), Undecidable, noFactor},
		{"more instructions", 8, counting, counts, both(onlyPerf, costOf(100, 120)), Refuted, "other side"},
		{"no time", 8, counting, counts, onlyPerf, Undecidable, noTimes},

		{"most", 9, counting, counts, lost("execve-loop", shares{perf: 0.9, ring: 0.8}), Confirmed, "both lose most"},
		{"none", 9, counting, counts, nothing, Refuted, "not what loses"},
		{"one of them", 9, native, native, lost("execve-loop", shares{perf: 0.9, ring: 0.1}), Undecidable, "one of the two"},

		{"missing", 10, counting, counts, missing(100), Confirmed, "25 %"},
		{"none", 10, counting, counts, nothing, Refuted, "nothing of the others"},
		{"no victims", 10, native, native, func(trials []record.Trial) {
			change(trials, "one-floods", every, func(t *record.Trial) { t.Victims = nil })
		}, Undecidable, noVictims},

		{"falls", 11, native, native, overload(0.7, 90e3, 60e3), Confirmed, "0.667 times"},
		{"stays", 11, native, native, overload(0.7, 90e3, 90e3), Refuted, "1 times"},
		{"kept up", 11, native, native, overload(0, 90e3, 300e3), Undecidable, "kept up"},
		{"emulated", 11, counting, counts, nothing, Undecidable, noTimes},
		{"one CPU", 11, single, single, overload(0.7, 90e3, 60e3), Undecidable, oneCPU},

		{"rates", 12, native, native, contention(map[int]float64{1: 1e6}), Unpublished, "nothing was published; ours: on 2 CPUs"},
		{"emulated", 12, counting, counts, nothing, Unpublished, noTimes},
	} {
		t.Run(strings.Join([]string{table[test.claim-1].Who, test.name}, "/"), func(t *testing.T) {
			trials := made(t, test.costs, test.counts)
			test.make(trials)
			got := outcome(t, trials, test.claim)
			if got.Verdict != test.want || !strings.Contains(got.Reason, test.because) {
				t.Errorf("%s: %s; want %s: %s\nours: %s", got.Verdict, got.Reason, test.want, test.because, got.Ours)
			}
		})
	}
}

// outcome is that of a claim, where all trials are of one kernel and kind of machine.
func outcome(t *testing.T, trials []record.Trial, claim int) Outcome {
	t.Helper()
	all := Decide(trials)
	if len(all) != len(table) {
		t.Fatalf("%d outcomes, want %d", len(all), len(table))
	}
	return all[claim-1]
}

// TestBothSides: pairs of trials that contradict each other decide nothing.
func TestBothSides(t *testing.T) {
	trials := made(t, native, native)
	readerRates(300e3, 330e3)(trials)
	first := true
	change(trials, "idle-reader", configuration(adaptive), func(t *record.Trial) {
		if first {
			rate(400e3, 400e3)(t)
		}
		first = false
	})
	if got := outcome(t, trials, 2); got.Verdict != Undecidable || !strings.Contains(got.Reason, "both sides of 1") {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
}

// TestBusy: times of a machine that others used decide nothing, and counts do.
func TestBusy(t *testing.T) {
	all := both(drained(1), readerRates(300e3, 330e3), wokenBy(1500, 30, 0), lost("matched-loss", shares{perf: 0.1}), costOf(100, 80), overload(0.7, 90e3, 60e3),
		lost("own-size", shares{ring: 0.2}))
	for _, test := range []struct {
		waited int64
		busy   bool
	}{{100, false}, {500, true}} {
		trials := made(t, native, native)
		all(trials)
		change(trials, "", every, func(t *record.Trial) {
			if t.Rate == nil {
				t.Rate = &record.Rate{}
			}
			t.Rate.DurationNS = 1000
			t.Disturbance = &record.Disturbance{RunDelayNS: test.waited}
		})
		for _, claim := range []int{1, 2, 3, 8, 11} {
			got := outcome(t, trials, claim)
			if busy := got.Verdict == Undecidable && strings.Contains(got.Reason, "busy: threads waited for a CPU for 50 %"); busy != test.busy || !busy && got.Verdict != Confirmed || got.Ours == "-" {
				t.Errorf("%d ns of 1000, claim %d: %s: %s", test.waited, claim, got.Verdict, got.Reason)
			}
		}
		if got := outcome(t, trials, 4); got.Verdict != Confirmed {
			t.Errorf("claim 4: %s: %s", got.Verdict, got.Reason)
		}
	}
}

// TestKernels: each kernel has its own outcomes, and each kind of machine.
func TestKernels(t *testing.T) {
	trials := append(made(t, native, native), made(t, counting, counts)...)
	for _, one := range made(t, counting, counts) {
		one.Kernel = record.Kernel{Want: "7.0"}
		trials = append(trials, one)
	}
	all := Decide(trials)
	if len(all) != 3*len(table) {
		t.Fatalf("%d outcomes", len(all))
	}
	for i, want := range []struct{ kernel, machine string }{{"6.1", "native"}, {"6.1", "emulated"}, {"7.0", "emulated"}} {
		for j, o := range all[i*len(table) : (i+1)*len(table)] {
			if o.Kernel.Want != want.kernel || o.Machine != want.machine || o.Claim.Number != j+1 {
				t.Errorf("%d: claim %d of %s, %s", i, o.Claim.Number, o.Kernel.Want, o.Machine)
			}
		}
	}
}

// TestTable: the table is whole, its scenarios are those of the plan, and what it says of
// sizes is what the plan has.
func TestTable(t *testing.T) {
	p, err := plan.Load(Plan)
	if err != nil {
		t.Fatal(err)
	}
	used, have := map[string]bool{}, map[string]bool{}
	for _, s := range p.Scenarios {
		have[s.Name] = true
	}
	for i, c := range Table() {
		if c.Number != i+1 || c.Who == "" || c.Where == "" || c.Setup == "" || c.Published == "" || c.Rule == "" || c.decide == nil || len(c.Scenarios) == 0 {
			t.Errorf("claim %d is incomplete: %+v", i+1, c)
		}
		for _, s := range c.Scenarios {
			used[s] = true
			if !have[s] {
				t.Errorf("claim %d: the plan has no scenario %s", c.Number, s)
			}
		}
	}
	for name := range have {
		if !used[name] {
			t.Errorf("no claim is decided by the scenario %s", name)
		}
	}
	const most = 64 << 20 // bytes of rings, of the 512 MiB of a VM
	for _, cpus := range []int{1, 2, 16, 64} {
		configs, err := p.Configurations(cpus)
		if err != nil {
			t.Fatal(err)
		}
		for _, config := range configs {
			for _, cell := range config.Cells {
				if cell.RingBytesTotal > most {
					t.Errorf("%s: rings of %d bytes", config.Scenario, cell.RingBytesTotal)
				}
				if capacity := cell.Transport.Capacity(cell.RingBytes, cell.PayloadBytes); strings.HasPrefix(config.Scenario, "drain-") && (cell.Events > capacity || cell.Events < capacity*98/100) {
					t.Errorf("%s: %d events do not fill a ring that holds %d", config.Scenario, cell.Events, capacity)
				}
			}
		}
	}
}
