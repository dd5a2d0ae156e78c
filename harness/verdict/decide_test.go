package verdict

import (
	"fmt"
	"math"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

func TestDecide(t *testing.T) {
	lower, higher := Metric{Better: Lower, Margin: 0.1}, Metric{Better: Higher, Margin: 0.1}
	exact := Metric{Better: Lower, Margin: 0.1, Exact: true}
	absolute := Metric{Better: Lower, Margin: 0.001, Absolute: true}
	for name, c := range map[string]struct {
		row     Row
		virtual bool
		want    Verdict
	}{
		"far below":                {Row{Metric: lower, Ratio: 0.5, Low: 0.4, High: 0.6, P: 0.01, Interval: true}, false, BBetter},
		"far below, for a rate":    {Row{Metric: higher, Ratio: 0.5, Low: 0.4, High: 0.6, P: 0.01, Interval: true}, false, ABetter},
		"far above":                {Row{Metric: lower, Ratio: 1.5, Low: 1.2, High: 1.6, P: 0.01, Interval: true}, false, ABetter},
		"inside":                   {Row{Metric: lower, Ratio: 1.01, Low: 0.95, High: 1.05, P: 0.5, Interval: true}, false, Equivalent},
		"inside, and real":         {Row{Metric: lower, Ratio: 1.03, Low: 1.02, High: 1.05, P: 0.01, Interval: true}, false, Trivial},
		"wide":                     {Row{Metric: lower, Ratio: 0.7, Low: 0.4, High: 1.3, P: 0.3, Interval: true}, false, Inconclusive},
		"p too large":              {Row{Metric: lower, Ratio: 0.7, Low: 0.6, High: 0.8, P: 0.06, Interval: true}, false, Inconclusive},
		"few blocks":               {Row{Metric: lower, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN()}, false, Inconclusive},
		"few blocks, exact":        {Row{Metric: exact, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN()}, false, BBetter},
		"exact, and enough blocks": {Row{Metric: exact, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN(), Interval: true}, false, BBetter},
		"exact, and it varies":     {Row{Metric: exact, Ratio: 0.5, Low: 0.5, High: 0.51, P: math.NaN(), Interval: true}, false, Inconclusive},
		"one block, virtual":       {Row{Metric: lower, Ratio: 0.5, Low: 0.5, High: 0.5, P: math.NaN()}, true, BBetter},
		"equal, virtual":           {Row{Metric: lower, Ratio: 1, Low: 1, High: 1, P: math.NaN()}, true, Equivalent},
		"virtual, two blocks":      {Row{Metric: lower, Ratio: 0.5, Low: 0.5, High: 0.51, P: math.NaN(), Blocks: 2}, true, Inconclusive},
		"virtual, three phases":    {Row{Metric: lower, Ratio: 0.5, Low: 0.5, High: 0.51, P: math.NaN(), Blocks: 3}, true, BBetter},
		"virtual, phases hide it":  {Row{Metric: lower, Ratio: 0.8, Low: 0.7, High: 0.9, P: math.NaN(), Blocks: 3}, true, Inconclusive},
		"virtual, phases inside":   {Row{Metric: lower, Ratio: 1, Low: 0.99, High: 1.01, P: math.NaN(), Blocks: 3}, true, Equivalent},
		"no loss, in a few blocks": {Row{Metric: absolute, P: math.NaN()}, false, Inconclusive},
		"no loss, virtual":         {Row{Metric: absolute, P: math.NaN()}, true, Equivalent},
		"loss of one side":         {Row{Metric: absolute, Ratio: 0.3, Low: 0.2, High: 0.4, P: 0.01, Interval: true}, false, ABetter},
		"hardly any loss":          {Row{Metric: absolute, Ratio: 0.0003, Low: 0.0002, High: 0.0004, P: 0.01, Interval: true}, false, Trivial},
		"no ratio":                 {Row{Metric: lower, Ratio: math.NaN()}, false, NoVerdict},
	} {
		if c.row.decide(c.virtual, [2]string{"perf", "ringbuf"}); c.row.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, c.row.Verdict, c.want)
		}
	}
}

// TestVerdictOfBlocks: from records to an answer, with the noise of a transport
// against itself beside it.
func TestVerdictOfBlocks(t *testing.T) {
	var all []record.Trial
	for block := range 8 {
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
	if r.Verdict != BBetter || !r.Interval || r.P > 0.05 || r.Floor <= 0 || r.Floor > 0.02 || r.More != 0 || r.Answer() != "ringbuf better" {
		t.Errorf("%+v", r)
	}
	if r := row(t, c, "memory of the rings"); r.Verdict != Equivalent || r.Floor != 0 {
		t.Errorf("%+v", r)
	}
	few := Compare(all[:8])[0]
	if r := row(t, few, "latency p50"); r.Verdict != Inconclusive || r.More < minBlocks {
		t.Errorf("%+v", r)
	}
}

// TestMinBlocksCanDecide: with the fewest blocks that have an interval, a metric
// of which all blocks say the same is decided, although Holm adjusts for all.
func TestMinBlocksCanDecide(t *testing.T) {
	// The larger family decides, on the clock that has more of it.
	sizes, family := map[string]int{}, 0
	for _, m := range Metrics() {
		for _, clock := range []string{record.Wall, record.Virtual} {
			if !m.Exact && (m.Only == "" || m.Only == clock) {
				key := fmt.Sprint(clock, m.Primary)
				sizes[key]++
				family = max(family, sizes[key])
			}
		}
	}
	fewest := func(blocks int) float64 { return math.Exp2(float64(1-blocks)) * float64(family) }
	if fewest(minBlocks) >= alpha || fewest(minBlocks-1) < alpha {
		t.Errorf("%d blocks and %d metrics: p can be %g, and with one block less %g", minBlocks, family, fewest(minBlocks), fewest(minBlocks-1))
	}
	var all []record.Trial
	for block := range minBlocks {
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
		if r.Verdict != BBetter {
			t.Errorf("%s: %s, p %g", r.Metric.Name, r.Verdict, r.P)
		}
	}
}
