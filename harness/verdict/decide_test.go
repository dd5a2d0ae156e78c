// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

func TestDecide(t *testing.T) {
	lower, higher := Metric{Better: Lower, Margin: 0.1}, Metric{Better: Higher, Margin: 0.1}
	exact := Metric{Better: Lower, Margin: 0.1, Exact: true}
	absolute := Metric{Better: Lower, Margin: 0.001, Absolute: true}
	strict := Metric{Better: Lower, Margin: 0.01, Absolute: true, AnyMatters: true}
	for name, c := range map[string]struct {
		row  Row
		want Verdict
	}{
		"far below":              {Row{Metric: lower, Ratio: 0.5, Low: 0.4, High: 0.6, P: 0.01, Interval: true}, BBetter},
		"far below, for a rate":  {Row{Metric: higher, Ratio: 0.5, Low: 0.4, High: 0.6, P: 0.01, Interval: true}, ABetter},
		"far above":              {Row{Metric: lower, Ratio: 1.5, Low: 1.2, High: 1.6, P: 0.01, Interval: true}, ABetter},
		"inside":                 {Row{Metric: lower, Ratio: 1.01, Low: 0.95, High: 1.05, P: 0.5, Interval: true}, Equivalent},
		"inside, and real":       {Row{Metric: lower, Ratio: 1.03, Low: 1.02, High: 1.05, P: 0.01, Interval: true}, Trivial},
		"real, at the margin":    {Row{Metric: lower, Ratio: 1.09, Low: 1.02, High: 1.15, P: 0.01, Interval: true}, Trivial},
		"inside, p of others":    {Row{Metric: lower, Ratio: 1.03, Low: 1.02, High: 1.05, P: 0.06, Interval: true}, Equivalent},
		"wide":                   {Row{Metric: lower, Ratio: 0.7, Low: 0.4, High: 1.3, P: 0.3, Interval: true}, Inconclusive},
		"p too large":            {Row{Metric: lower, Ratio: 0.7, Low: 0.6, High: 0.8, P: 0.06, Interval: true}, Inconclusive},
		"few blocks":             {Row{Metric: lower, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN()}, Inconclusive},
		"exact":                  {Row{Metric: exact, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN(), Interval: true}, BBetter},
		"exact, and the same":    {Row{Metric: exact, Ratio: 1, Low: 1, High: 1, P: math.NaN(), Interval: true}, Equivalent},
		"exact, and it varies":   {Row{Metric: exact, Ratio: 0.5, Low: 0.5, High: 0.51, P: math.NaN()}, Inconclusive},
		"loss of one side":       {Row{Metric: absolute, Ratio: 0.3, Low: 0.2, High: 0.4, P: 0.01, Interval: true}, ABetter},
		"hardly any difference":  {Row{Metric: absolute, Ratio: 0.0003, Low: 0.0002, High: 0.0004, P: 0.01, Interval: true}, Trivial},
		"hardly any, it matters": {Row{Metric: strict, Ratio: 0.0003, Low: 0.0002, High: 0.0004, P: 0.01, Interval: true}, ABetter},
		"none, of few events":    {Row{Metric: strict, Low: -0.03, High: 0.03, P: 1, Interval: true}, Inconclusive},
		"none, of many":          {Row{Metric: strict, Low: -0.003, High: 0.003, P: 1, Interval: true}, Equivalent},
		"no ratio":               {Row{Metric: lower, Ratio: math.NaN()}, NoVerdict},
	} {
		if c.row.decide([2]string{"perf", "ringbuf"}); c.row.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, c.row.Verdict, c.want)
		}
	}
}

// TestVerdictOfBlocks: from records to an answer, with the noise of a transport
// against itself beside it.
func TestVerdictOfBlocks(t *testing.T) {
	var all []record.Trial
	for block := range 10 {
		ns := int64(1000 + 500*block) // a machine that gets slower
		for _, x := range []struct {
			transport string
			ns        int64
		}{{"perf", ns}, {"ringbuf", ns / 2}, {"ringbuf", ns/2 + 10}, {"perf", ns + 20}} {
			all = append(all, trialOf(x.transport, block, x.ns))
		}
	}
	c := Compare(all)[0]
	r := row(t, c, "latency p50")
	if r.Verdict != BBetter || !r.Interval || r.P > 0.05 || r.Noise <= 0 || r.Noise > 0.02 || r.More != 0 || r.Answer() != "ringbuf better" {
		t.Errorf("%+v", r)
	}
	if r := row(t, c, "memory of the rings"); r.Verdict != Equivalent || r.Noise != 0 {
		t.Errorf("%+v", r)
	}
	few := Compare(all[:8])[0]
	if r := row(t, few, "latency p50"); r.Verdict != Inconclusive || r.More < minEffects {
		t.Errorf("%+v", r)
	}
}

// TestFewBlocksDecide: metrics on which all blocks agree are decided early, although Holm
// adjusts for all.
func TestFewBlocksDecide(t *testing.T) {
	const enough = minEffects + 3 // for a family of nine
	var all []record.Trial
	for block := range enough {
		for _, x := range []string{"perf", "ringbuf", "ringbuf", "perf"} {
			trial := trialOf(x, block, int64(1000+block))
			if x == "ringbuf" {
				trial = trialOf(x, block, 500)
				trial.Memory = &record.Memory{LockedBytes: 50}
				trial.Cost.Wakeups, trial.Cost.ContextSwitches, trial.Rate.DeliveredHz = 1, 1, 4000
				trial.Counts.Failed = nil
			}
			all = append(all, trial)
		}
	}
	for _, r := range Compare(all)[0].Rows {
		if r.Verdict != BBetter && r.Metric.Slug != skippedSlug {
			t.Errorf("%s: %s, p %g", r.Metric.Name, r.Verdict, r.P)
		}
	}
	if Open(all) || !Open(all[:8]) {
		t.Errorf("open: %t, and with two blocks %t", Open(all), Open(all[:8]))
	}
}

// TestPairsOfOneBoot: on the running kernel each pair of trials is a comparison of its
// own, in a machine started for a block the block is.
func TestPairsOfOneBoot(t *testing.T) {
	for backend, want := range map[string]Verdict{record.Host: BBetter, "qemu": Inconclusive} {
		var all []record.Trial
		const blocks = 5 // ten pairs
		for block := range blocks {
			for i, side := range []string{"perf", "ringbuf", "ringbuf", "perf"} {
				trial := trialOf(side, block, map[string]int64{"perf": 1000, "ringbuf": 500}[side]+int64(10*block+i))
				trial.Machine.Backend = backend
				all = append(all, trial)
			}
		}
		c := Compare(all)[0]
		r := row(t, c, "latency p50")
		if r.Verdict != want || r.Blocks != blocks || r.Interval != (want == BBetter) {
			t.Errorf("%s: %s of %d blocks, interval %t, p %g", backend, r.Verdict, r.Blocks, r.Interval, r.P)
		}
		if want == Inconclusive && (r.More <= blocks || r.More > 2*minEffects) {
			t.Errorf("%s: %d blocks may decide", backend, r.More)
		}
	}
}
