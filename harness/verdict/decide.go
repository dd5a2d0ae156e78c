// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Verdict is the answer to a comparison.
type Verdict string

// The verdicts, relative to the margin of the metric. [Row.Answer] names the better side.
const (
	ABetter      Verdict = "A better"
	BBetter      Verdict = "B better"
	Equivalent   Verdict = "equivalent"   // the interval lies inside the margin
	Trivial      Verdict = "trivial"      // a significant difference within the margin
	Inconclusive Verdict = "inconclusive" // more blocks may decide
	NoVerdict    Verdict = "invalid"      // there is no ratio
)

// alpha is the accepted probability of a false alarm of a comparison, over all metrics of
// a family.
const alpha = 1 - confidence

// Row compares one metric.
type Row struct {
	Metric Metric
	A, B   float64 // medians over trials
	// Ratio is B to A, the median over blocks of the ratio of the medians in each, or in
	// one boot over pairs of trials; of an absolute metric it is the difference B-A. Low
	// and High are the ends of its 95 % interval, or where Interval is false the lowest
	// and the highest. All are NaN if a figure is 0. A block in which only one side was
	// measured is left out.
	Ratio, Low, High float64
	Interval         bool
	Blocks           int // that the ratio is of
	// P bounds the probability of such evidence without a difference, adjusted by Holm
	// for the metrics of its family; NaN where there is no interval. Interval and P are
	// valid whenever measuring stops, for any reason.
	P float64
	// Noise is the A/A difference: the effect, or its bound, between a side's first and
	// last trials of a block. NaN if unknown.
	Noise   float64
	Verdict Verdict
	Winner  string // label of the side that is better
	Why     string // reason if there is no verdict
	// More is the total number of blocks that may decide an inconclusive row; 0: unknown.
	// MoreTime is the estimated time of the missing ones; 0: unknown.
	More     int
	MoreTime time.Duration
}

// Answer is the verdict as text.
func (r *Row) Answer() string {
	switch r.Verdict {
	case ABetter, BBetter:
		return r.Winner + " better"
	}
	return string(r.Verdict)
}

// Decided reports whether one side is better by more than the margin.
func (r *Row) Decided() bool { return r.Verdict == ABetter || r.Verdict == BBetter }

// none is the ratio, or the difference, of equal values.
func (m *Metric) none() float64 {
	if m.Absolute {
		return 0
	}
	return 1
}

// effect is the metric's measure of the difference of the sides.
func (m *Metric) effect() effect {
	if m.Absolute {
		return difference
	}
	return logRatio
}

// size converts a ratio, or a difference, to the size of an effect.
func (m *Metric) size(ratio float64) float64 {
	if m.Absolute {
		return math.Abs(ratio)
	}
	return math.Abs(math.Log(ratio))
}

// ratio is the inverse of the metric's effect.
func (m *Metric) ratio(effect float64) float64 {
	if m.Absolute {
		return effect
	}
	return math.Exp(effect)
}

// margin as an effect.
func (m *Metric) margin() float64 {
	if m.Absolute {
		return m.Margin
	}
	return math.Log1p(m.Margin)
}

// blockPair is the trials of both sides in one block.
type blockPair struct{ a, b []*record.Trial }

// compareMetrics compares all metrics of the trials of two sides.
//
// Holm adjusts within two families: the primary metrics, on which a recommendation
// depends, and the others, which explain it. So the false alarm rate of the primary ones
// is independent of the others, and neither family needs more blocks because of the
// other.
func compareMetrics(blocks []blockPair, labels [2]string) []Row {
	first := blocks[0].a[0]
	clock := first.Machine.Clock
	var rows []Row
	for _, m := range Metrics() {
		if m.Only != "" && m.Only != clock && clock != "" {
			continue
		}
		switch {
		case m.Clock && clock == record.Virtual: // there it is the wakeup path on a single CPU
			m.Weight = 0
		case !m.Counts && first.Trial.Shows == record.ShowsDelivery:
			m.Weight = 0
		case m.DecidesOf != nil && !m.DecidesOf(&first.Cell):
			m.Weight = 0
		}
		row := compareMetric(m, blocks)
		switch {
		case row.Why == "" && math.IsNaN(row.A) && math.IsNaN(row.B):
			continue // these trials lack the figure
		case m.Slug == skippedSlug && nothingSkipped(blocks):
			continue // the usual case
		}
		rows = append(rows, row)
	}
	adjust(rows)
	spent := blockTime(blocks)
	for i := range rows {
		rows[i].decide(labels)
		if rows[i].More > rows[i].Blocks {
			rows[i].MoreTime = time.Duration(rows[i].More-rows[i].Blocks) * spent
		}
	}
	return rows
}

func nothingSkipped(blocks []blockPair) bool {
	has := func(t *record.Trial) bool { return t.Counts != nil && t.Counts.Misses > 0 }
	return !slices.ContainsFunc(blocks, func(b blockPair) bool { return slices.ContainsFunc(b.a, has) || slices.ContainsFunc(b.b, has) })
}

// adjust replaces each p by that of Holm in its family.
func adjust(rows []Row) {
	for _, primary := range []bool{true, false} {
		ps := make([]float64, len(rows))
		for i := range rows {
			ps[i] = math.NaN()
			if rows[i].Metric.Primary() == primary {
				ps[i] = rows[i].P
			}
		}
		for i, p := range holm(ps) {
			if rows[i].Metric.Primary() == primary {
				rows[i].P = p
			}
		}
	}
}

func compareMetric(m Metric, blocks []blockPair) Row {
	var most int64
	for _, block := range blocks {
		for _, t := range block.a {
			if t.Latency != nil {
				most = max(most, t.Latency.N)
			}
		}
	}
	first := blocks[0].a[0]
	m.Exact = m.Exact || m.ExactOf != nil && m.ExactOf(&first.Cell)
	row := compareValues(m, pairsOf(m, blocks), pairsOf(m, independent(blocks)), first.Machine.Clock == record.Virtual)
	if math.IsNaN(row.A) && math.IsNaN(row.B) && m.Events > most && most > 0 && m.Slug == "latency_p99" {
		row.Why = fewEvents(m.Events, most)
	}
	if m.Slug == lossSlug {
		row.boundLoss(blocks)
	}
	return row
}

// boundLoss gives the interval if neither side lost events: with no loss in N events, the
// 95 % upper bound of the rate is 3/N (the rule of three).
func (r *Row) boundLoss(blocks []blockPair) {
	var of, lost [2]uint64
	for _, block := range blocks {
		for side, trials := range [][]*record.Trial{block.a, block.b} {
			for _, t := range trials {
				if t.Counts != nil {
					of[side] += sent(t)
					lost[side] += t.Counts.FailedTotal()
				}
			}
		}
	}
	if lost != [2]uint64{} || of[0] == 0 || of[1] == 0 {
		return
	}
	r.Low, r.High, r.Interval, r.P = -3/float64(of[0]), 3/float64(of[1]), true, 1
	r.More = int(math.Ceil(float64(r.Blocks) * max(-r.Low, r.High) / r.Metric.Margin))
}

func pairsOf(m Metric, blocks []blockPair) []pair {
	pairs := make([]pair, len(blocks))
	for i, block := range blocks {
		pairs[i] = pair{values(m, block.a), values(m, block.b)}
	}
	return pairs
}

// compareValues compares the blocks' values of a metric, over the independent comparisons
// of their trials.
func compareValues(m Metric, blocks, independent []pair, virtual bool) Row {
	row := Row{Metric: m}
	row.Ratio, row.Low, row.High, row.P, row.Noise = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	aa := make([]pair, 0, 2*len(blocks))
	as, bs := make([]float64, 0, 2*len(blocks)), make([]float64, 0, 2*len(blocks))
	for _, block := range blocks {
		if len(block.a) > 0 && len(block.b) > 0 { // else one side was not measured there
			row.Blocks++
		}
		as, bs = append(as, block.a...), append(bs, block.b...)
		for _, same := range [][]float64{block.a, block.b} {
			if n := len(same); n > 1 {
				aa = append(aa, pair{same[:n/2], same[n/2:]})
			}
		}
	}
	pairs := slices.DeleteFunc(independent, func(p pair) bool { return len(p.a) == 0 || len(p.b) == 0 })
	row.A, row.B = Median(as), Median(bs)
	if effects := effectsOf(pairs, m.effect()); len(effects) > 0 {
		var e estimate
		switch {
		case m.Exact:
			e = extremes(effects)
			row.Interval = slices.Min(as) == slices.Max(as) && slices.Min(bs) == slices.Max(bs)
		case virtual:
			e = compareByPhase(pairs, effects, m.effect())
		default:
			e = compareByChance(effects)
		}
		row.Ratio, row.Low, row.High, row.P = m.ratio(e.mid), m.ratio(e.low), m.ratio(e.high), e.p
		row.Interval = row.Interval || e.interval
		more := moreEffects(e, m.margin())
		row.More = (more*row.Blocks + len(effects) - 1) / len(effects)
	}
	if effects := effectsOf(aa, m.effect()); len(effects) > 0 {
		e := compareByChance(effects)
		row.Noise = max(math.Abs(e.low), math.Abs(e.high))
		if !m.Absolute {
			row.Noise = math.Expm1(row.Noise)
		}
	}
	return row
}

// decide gives the verdict. Exact figures need no statistics.
func (r *Row) decide(labels [2]string) {
	none := r.Metric.none()
	inside := func(ratio float64) bool { return r.Metric.size(ratio) <= r.Metric.margin() }
	real := r.Interval && (r.Low > none || r.High < none) && (r.Metric.Exact || r.P < alpha)
	switch {
	case math.IsNaN(r.Ratio):
		r.Verdict = NoVerdict
		if r.Why == "" {
			r.Why = r.noRatio(labels)
		}
	case real && inside(r.Ratio) && !r.Metric.AnyMatters:
		r.Verdict = Trivial
	case real:
		r.Verdict, r.Winner = ABetter, labels[0]
		if (r.Ratio < none) == (r.Metric.Better == Lower) {
			r.Verdict, r.Winner = BBetter, labels[1]
		}
	case r.Interval && inside(r.Low) && inside(r.High):
		r.Verdict = Equivalent
	default:
		r.Verdict = Inconclusive
	}
	if r.Verdict != Inconclusive {
		r.More = 0
	}
}

// noRatio returns the reason of a missing ratio.
func (r *Row) noRatio(labels [2]string) string {
	for i, v := range []float64{r.A, r.B} {
		switch {
		case math.IsNaN(v):
			return labels[i] + " does not have it"
		case math.IsInf(v, 0):
			return labels[i] + " lost more than that share"
		}
	}
	return "a figure is 0"
}

// blockTime estimates the time of one more block of these trials: from the start of the
// first trial to that of the last, plus the duration of the last. If the starts are
// unknown, it is the time of the workloads. It excludes the boot.
func blockTime(blocks []blockPair) time.Duration {
	var all []float64
	for _, block := range blocks {
		var first, last time.Time
		var measured, of time.Duration
		for _, t := range append(append([]*record.Trial(nil), block.a...), block.b...) {
			var took time.Duration
			if t.Rate != nil {
				took = time.Duration(t.Rate.DurationNS)
			}
			measured += took
			started, err := time.Parse(time.RFC3339Nano, t.Trial.Started)
			if err != nil {
				continue
			}
			if first.IsZero() || started.Before(first) {
				first = started
			}
			if !started.Before(last) {
				last, of = started, took
			}
		}
		// The starts are better: they include settling and draining.
		all = append(all, float64(max(last.Sub(first)+of, measured)))
	}
	return time.Duration(Median(all))
}
