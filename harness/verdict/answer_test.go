// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// pairOf are blocks of one configuration in which the latency of ringbuf is ratio times
// that of perf, and perf loses so many of 400 events.
func pairOf(kernel string, config, blocks int, ratio float64, lost uint64) []record.Trial {
	var all []record.Trial
	for block := range blocks {
		a, b := trialOf("perf", block, int64(1000+block)), trialOf("ringbuf", block, int64(float64(1000+block)*ratio))
		for _, t := range []*record.Trial{&a, &b} {
			t.Kernel.Want, t.Kernel.Release, t.Trial.Configuration, t.Trial.Side = kernel, kernel+".0", config, "A"
			t.Counts.Failed, t.Counts.Misses = map[string]uint64{}, 0
			t.Counts.Started = 400
			t.Cost.ProducerNSPerEvent, t.Cost.ConsumerCPUNSPerEvent = 100, 100
		}
		a.Counts.Failed["ENOSPC"] = lost
		b.Trial.Side = "B"
		all = append(all, a, b)
	}
	return all
}

// TestAnswers: the summary of all configurations of a kernel.
func TestAnswers(t *testing.T) {
	const enough = 10
	both := func(ratios ...float64) []record.Trial {
		var all []record.Trial
		for config, ratio := range ratios {
			all = append(all, pairOf("6.1", config, enough, ratio, 0)...)
		}
		return all
	}
	for name, c := range map[string]struct {
		trials       []record.Trial
		transport    vocab.Transport
		cases, won   int
		open, failed int
	}{
		"one is sooner":    {both(0.5), "ringbuf", 1, 1, 0, 0},
		"one loses less":   {pairOf("6.1", 0, enough, 2, 3), "ringbuf", 1, 1, 0, 0},
		"either":           {both(1), "", 1, 0, 0, 0},
		"too few blocks":   {pairOf("6.1", 0, 2, 0.5, 0), "", 1, 0, 4, 0},
		"it depends":       {both(0.5, 2), "", 2, 2, 0, 0},
		"one, or the same": {both(0.5, 1), "ringbuf", 2, 1, 0, 0},
		"nothing measured": {[]record.Trial{{Status: record.Panic, Cell: record.Cell{Transport: "perf"}}}, "", 0, 0, 0, 1},
	} {
		all := Answers(Compare(c.trials))
		if len(all) != 1 {
			t.Errorf("%s: %d answers", name, len(all))
			continue
		}
		a := &all[0]
		if a.Transport() != c.transport || len(a.Cases) != c.cases || len(a.Won()) != c.won || len(a.Undecided()) != c.open || len(a.Failed) != c.failed {
			t.Errorf("%s: transport %q, %d cases, %d won, %d open, %d failed", name, a.Transport(), len(a.Cases), len(a.Won()), len(a.Undecided()), len(a.Failed))
		}
	}
}

// TestWhatMattersIsWeighed: a loss decides whatever the costs, and a large gain of the
// program outweighs a small one of the reader.
func TestWhatMattersIsWeighed(t *testing.T) {
	row := func(slug string, ratio float64, verdict Verdict) Row {
		m, _ := MetricNamed(slug)
		return Row{Metric: m, Ratio: ratio, Verdict: verdict}
	}
	for name, c := range map[string]struct {
		rows  []Row
		score float64
	}{
		"nothing decided":    {[]Row{row("producer_ns_per_event", 0.5, Inconclusive)}, 0},
		"half of the cost":   {[]Row{row("producer_ns_per_event", 0.5, BBetter)}, 3},
		"against each other": {[]Row{row("producer_ns_per_event", 0.5, BBetter), row("consumer_cpu_ns_per_event", 2, ABetter)}, 1},
		"a loss decides":     {[]Row{row("producer_ns_per_event", 0.01, BBetter), row("loss", 0.2, ABetter)}, math.Inf(-1)},
		"memory does not":    {[]Row{row("memory_bytes", 3, ABetter), row("producer_ns_per_event", 0.5, BBetter)}, 3},
	} {
		if got := (&Comparison{Rows: c.rows}).score(); got != c.score {
			t.Errorf("%s: %g, want %g", name, got, c.score)
		}
	}
}

// TestTellApart: configurations of one scenario are named by their differences.
func TestTellApart(t *testing.T) {
	var all []record.Trial
	for config, cell := range []record.Cell{{Producers: 1, Batch: 1, Events: 100}, {Producers: 2, Batch: 1, Events: 99}, {Producers: 2, Batch: 5, Events: 100}} {
		for i, side := range []string{"perf", "ringbuf"} {
			one := trialOf(side, 0, int64(100+i))
			one.Trial.Configuration, one.Trial.Scenario = config, "contention"
			one.Cell.Producers, one.Cell.Batch, one.Cell.Events = cell.Producers, cell.Batch, cell.Events
			all = append(all, one)
		}
	}
	var got []string
	for _, c := range Answers(Compare(all))[0].Cases {
		got = append(got, c.Apart)
	}
	if diff := cmp.Diff([]string{"producers=1", "producers=2 batch=1", "producers=2 batch=5"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
