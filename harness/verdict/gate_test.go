// SPDX-License-Identifier: MIT

package verdict

import (
	"slices"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

func gate(t *testing.T, text string) Gate {
	t.Helper()
	g, err := ParseGate(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestParseGate(t *testing.T) {
	if g := gate(t, "instructions_per_event <= 0.5%"); g.Limit != 0.005 || g.Metric.Slug != "instructions_per_event" {
		t.Errorf("%+v", g)
	}
	for text, want := range map[string]string{
		"latency_p99":       "METRIC<=LIMIT",
		"latency_p98<=1%":   "nearest: latency_p99",
		"loss<=some":        "want a number",
		"loss<=-1%":         "want a number",
		"memory_bytes<=0.5": "want a percentage",
	} {
		if _, err := ParseGate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// virtualTrial takes n instructions an event.
func virtualTrial(transport string, block int, n float64) record.Trial {
	t := trialOf(transport, block, 100)
	t.Machine.Clock, t.Machine.Accel, t.Machine.Version = record.Virtual, "tcg", "7.2"
	t.Cost.InstructionsPerEvent = n
	t.Counts.Failed, t.Counts.Misses = nil, 0
	return t
}

func TestGate(t *testing.T) {
	wall := func(n int, ratio float64) []record.Trial {
		var all []record.Trial
		for block := range n {
			all = append(all, trialOf("perf", block, int64(1000+block)), trialOf("ringbuf", block, int64(float64(1000+block)*ratio)))
		}
		return all
	}
	emulated := func(trials []record.Trial) []record.Trial {
		for i := range trials {
			trials[i].Machine.Accel = "tcg"
		}
		return trials
	}
	lossy := func() []record.Trial {
		all := wall(1, 1)
		all[0].Counts.Failed, all[0].Counts.Misses = nil, 0
		return all
	}
	// In one block of many A has a figure of 0, and in the others B is a little worse.
	zero := func() []record.Trial {
		all := wall(10, 1.01)
		for i := range all {
			if all[i].Cell.Transport == "ringbuf" {
				all[i].Cost.Wakeups = 6
			}
		}
		all[0].Cost.Wakeups, all[0].Latency.P50 = 0, 0
		return all
	}
	nothing := func() []record.Trial {
		all := wall(8, 1)
		for i := range all {
			if all[i].Cell.Transport == "ringbuf" {
				all[i].Latency = nil
			}
		}
		return all
	}
	for name, c := range map[string]struct {
		trials          []record.Trial
		gate            string
		wall            bool
		failed, refused bool
	}{
		"virtual, 1 % more":          {[]record.Trial{virtualTrial("perf", 0, 1000), virtualTrial("ringbuf", 0, 1010)}, "instructions_per_event<=0.5%", false, true, false},
		"virtual, at the limit":      {[]record.Trial{virtualTrial("perf", 0, 1000), virtualTrial("ringbuf", 0, 1005)}, "instructions_per_event<=0.5%", false, false, false},
		"virtual, the same":          {[]record.Trial{virtualTrial("perf", 0, 1000), virtualTrial("ringbuf", 0, 1000)}, "instructions_per_event<=0", false, false, false},
		"wall, slower":               {wall(8, 1.5), "latency_p50<=10%", false, true, false},
		"wall, faster":               {wall(8, 0.5), "latency_p50<=10%", false, false, false},
		"wall, too few blocks":       {wall(2, 1.5), "latency_p50<=10%", false, false, true},
		"emulated":                   {emulated(wall(8, 1.5)), "latency_p50<=10%", false, false, true},
		"emulated, asked for":        {emulated(wall(8, 1.5)), "latency_p50<=10%", true, true, false},
		"loss of B alone":            {lossy(), "loss<=0", false, true, false},
		"memory needs no blocks":     {wall(1, 1), "memory_bytes<=0", false, false, false},
		"a rate that is as high":     {wall(8, 1), "delivered_rate<=1%", false, false, false},
		"a zero in one block":        {zero(), "wakeups_per_event<=5%", false, false, true},
		"emulated, and a zero":       {emulated(zero()), "latency_p50<=0", false, false, true},
		"B has no figure":            {nothing(), "latency_p50<=10%", false, false, true},
		"emulated counts may decide": {emulated(wall(8, 1)), "wakeups_per_event<=1%", false, false, false},
	} {
		results := gate(t, c.gate).Check(Compare(c.trials), c.wall)
		if len(results) != 1 || results[0].Failed != c.failed || (results[0].Refused != "") != c.refused {
			t.Errorf("%s: %+v", name, results)
		}
	}
	if got := gate(t, "instructions_per_event<=1%").Check(Compare(wall(1, 1)), false); len(got) != 0 {
		t.Errorf("a gate on what is not there gave %+v", got)
	}
}

func filter(t *testing.T, text string) Filter {
	t.Helper()
	s, err := ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSlice(t *testing.T) {
	if _, err := ParseFilter("transprot=perf"); err == nil || !strings.Contains(err.Error(), "nearest: transport") {
		t.Error(err)
	}
	if _, err := ParseFilter("transport"); err == nil {
		t.Error("a key without a value")
	}
	in := Input{Trial: &record.Trial{Kernel: record.Kernel{Want: "stable", Release: "6.1.0-56"}, Cell: record.Cell{Policy: "batch=32"}}}
	for text, want := range map[string]bool{"": true, "kernel=6.1": true, "kernel=stable": true, "kernel=6.12": false, "policy=batch=32,kernel=6.1": true, "policy=batch=3": false} {
		if s := filter(t, text); s.has(in) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func inputs(file string, trials []record.Trial) []Input {
	var all []Input
	for i := range trials {
		all = append(all, Input{file, &trials[i]})
	}
	return all
}

// TestCompareSets: trials are paired when all parameters match except those of the
// filters.
func TestCompareSets(t *testing.T) {
	var all []record.Trial
	for _, kernel := range []string{"6.1", "6.12"} {
		for _, transport := range []string{"perf", "ringbuf"} {
			for _, payload := range []int{64, 4096} {
				trial := trialOf(transport, 0, int64(payload))
				trial.Kernel.Want, trial.Cell.PayloadBytes = kernel, payload
				all = append(all, trial)
			}
		}
	}
	in := inputs("f", all)
	cut := func(text string) []Input { s := filter(t, text); return s.Of(in) }
	a, b := "kernel=6.1", "kernel=6.12"
	c := CompareSets(filter(t, a), filter(t, b), cut(a), cut(b), false)
	if len(c.Comparisons) != 4 || len(c.Refused)+len(c.Alone) != 0 || c.Comparisons[0].A.Label != "6.1" || len(c.Marked) != 1 {
		t.Errorf("kernels: %d comparisons, %+v %+v %+v", len(c.Comparisons), c.Refused, c.Alone, c.Marked)
	}
	a, b = "transport=perf,kernel=6.1", "transport=ringbuf,kernel=6.1"
	c = CompareSets(filter(t, a), filter(t, b), cut(a), cut(b), false)
	if len(c.Comparisons) != 2 || c.Comparisons[0].B.Label != "ringbuf" || len(c.Marked) != 0 {
		t.Errorf("transports: %+v", c)
	}
	kvm := trialOf("perf", 0, 1)
	kvm.Machine.Accel = "kvm"
	tcg := kvm
	tcg.Machine.Accel = "tcg"
	c = CompareSets(Filter{}, Filter{}, inputs("a", []record.Trial{kvm}), inputs("b", []record.Trial{tcg}), false)
	if len(c.Comparisons) != 0 || len(c.Refused) != 1 || !strings.Contains(c.Refused[0], "accel is kvm in A and tcg in B") {
		t.Errorf("machines: %+v", c)
	}
	old, next := virtualTrial("perf", 0, 1), virtualTrial("perf", 0, 1)
	next.Machine.Version = "8.0"
	if c = CompareSets(Filter{}, Filter{}, inputs("a", []record.Trial{old}), inputs("b", []record.Trial{next}), false); len(c.Comparisons) != 0 || len(c.Refused) != 1 {
		t.Errorf("versions of the emulator: %+v", c)
	}
	bad := kvm
	bad.Status = record.Panic
	if c = CompareSets(Filter{}, Filter{}, inputs("a", []record.Trial{kvm, bad}), inputs("b", []record.Trial{kvm}), false); len(c.Comparisons) != 1 || c.Unmeasured != [2]int{1, 0} {
		t.Errorf("what was not measured: %+v", c)
	}
}

// madeBy has trials state their BPF objects.
func madeBy(objects string, trials ...record.Trial) []record.Trial {
	all := slices.Clone(trials)
	for i := range all {
		if objects != "" {
			all[i].Tool = &record.Tool{Objects: objects}
		}
	}
	return all
}

// TestOtherTwins: in virtual time other BPF objects are refused, where both sides state them.
func TestOtherTwins(t *testing.T) {
	const refusal = "twins that must not be compared: the BPF objects are one in A and two in B (--other-twins compares them)"
	wall, virtual := trialOf("perf", 0, 1), virtualTrial("perf", 0, 1)
	for name, test := range map[string]struct {
		a, b        []record.Trial
		otherTwins  bool
		comparisons int
		refused     []string
	}{
		"same":      {madeBy("one", virtual), madeBy("one", virtual), false, 1, nil},
		"different": {madeBy("one", virtual, virtual), madeBy("two", virtual), false, 0, []string{refusal}},
		"allowed":   {madeBy("one", virtual), madeBy("two", virtual), true, 1, nil},
		"wall":      {madeBy("one", wall), madeBy("two", wall), false, 1, nil},
		"A lacks":   {madeBy("", virtual), madeBy("two", virtual), false, 1, nil},
		"B lacks":   {madeBy("one", virtual), madeBy("", virtual), false, 1, nil},
		"some":      {madeBy("one", virtual), append(madeBy("two", virtual), madeBy("one", virtual)...), false, 1, []string{refusal}},
	} {
		t.Run(name, func(t *testing.T) {
			c := CompareSets(Filter{}, Filter{}, inputs("a", test.a), inputs("b", test.b), test.otherTwins)
			if len(c.Comparisons) != test.comparisons || !slices.Equal(c.Refused, test.refused) || len(c.Alone) > 0 {
				t.Errorf("%d comparisons, refused %q, alone %q", len(c.Comparisons), c.Refused, c.Alone)
			}
		})
	}
}

// TestTwinsApart: trials of other BPF objects are not mixed in; those that do not state
// any are, where all others state the same.
func TestTwinsApart(t *testing.T) {
	pair := []record.Trial{virtualTrial("perf", 0, 2), virtualTrial("ringbuf", 0, 1)}
	one, two, none := madeBy("one", pair...), madeBy("two", pair...), madeBy("", pair...)
	for name, test := range map[string]struct {
		trials []record.Trial
		want   []string // objects
	}{
		"same":          {slices.Concat(one, one), []string{"one"}},
		"different":     {slices.Concat(one, two), []string{"one", "two"}},
		"none":          {none, []string{""}},
		"some":          {slices.Concat(none, one), []string{"one"}},
		"one side each": {[]record.Trial{one[0], two[1]}, []string{"one", "two"}},
		"unclear":       {slices.Concat(one, two, none), []string{"one", "two", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			comparisons := Compare(test.trials)
			var got []string
			for i := range comparisons {
				got = append(got, comparisons[i].Objects)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("comparisons of %q, want %q", got, test.want)
			}
			if answers := Answers(comparisons); len(answers) != len(test.want) {
				t.Errorf("%d answers, want %d", len(answers), len(test.want))
			}
		})
	}
}

// TestKnee: between the highest rate that lost nothing and the lowest that lost.
func TestKnee(t *testing.T) {
	step := func(transport string, n int, hz float64, lost uint64) record.Trial {
		trial := trialOf(transport, 0, 1)
		trial.Trial.Step, trial.Cell.RateHz = n, hz
		trial.Counts.Misses, trial.Counts.Failed = 0, map[string]uint64{"ENOSPC": lost}
		return trial
	}
	c := Compare([]record.Trial{
		step("perf", 1, 100, 5), step("perf", 2, 10, 0), step("perf", 3, 30, 0), step("perf", 4, 50, 1), step("perf", 5, 70, 0),
		step("ringbuf", 1, 100, 0), step("ringbuf", 2, 10, 0),
	})
	if len(c) != 1 || !c[0].Sweep() || len(c[0].Rows) != 1 {
		t.Fatalf("%+v", c)
	}
	a, b := c[0].A.Knee, c[0].B.Knee
	if a.KeptHz != 30 || a.LostHz != 50 || len(a.Rates) != 5 || a.Rates[4].Loss() == 0 {
		t.Errorf("%+v", a)
	}
	if b.KeptHz != 100 || !(b.LostHz > 1e300) {
		t.Errorf("%+v", b)
	}
}
