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

// The verdicts. What matters is the margin of the metric. [Row.Answer] names the
// side that is better.
const (
	ABetter      Verdict = "A better"
	BBetter      Verdict = "B better"
	Equivalent   Verdict = "equivalent"   // the interval lies inside the margin
	Trivial      Verdict = "trivial"      // a real difference, of no more than the margin
	Inconclusive Verdict = "inconclusive" // more blocks may decide
	NoVerdict    Verdict = "invalid"      // there is no ratio
)

// alpha is the probability of a false alarm that a comparison bears, over all
// metrics of a family.
const alpha = 1 - confidence

// Row compares one metric.
type Row struct {
	Metric Metric
	A, B   float64 // medians over trials
	// Ratio is B to A, the median over blocks of the ratio of the medians in
	// each, or in one boot over pairs of trials; of an absolute metric it is the
	// difference B-A. Low and High are the ends of its 95 % interval, or where
	// Interval is false the lowest and the highest. All are NaN where there is a
	// figure of 0. A block in which only one side was measured is left out.
	Ratio, Low, High float64
	Interval         bool
	Blocks           int // that the ratio is of
	// P bounds the probability of such evidence without a difference, adjusted by
	// Holm for the metrics of its family; NaN where there is no interval. Interval
	// and P hold whenever one stops measuring, and for whatever reason.
	P float64
	// Noise is how far from none the ratio of a side to itself is, or may be: its
	// first trials of a block against its last. NaN where it is not known.
	Noise   float64
	Verdict Verdict
	Winner  string // label of the side that is better
	Why     string // there is no verdict
	// More is how many blocks in all may decide what is inconclusive; 0: it
	// cannot be said. MoreTime is what those that are missing take, from what a
	// block took; 0: not known.
	More     int
	MoreTime time.Duration
}

// Answer is the verdict in words.
func (r *Row) Answer() string {
	switch r.Verdict {
	case ABetter, BBetter:
		return r.Winner + " better"
	}
	return string(r.Verdict)
}

// Decided reports whether one side is better by more than the margin.
func (r *Row) Decided() bool { return r.Verdict == ABetter || r.Verdict == BBetter }

// none is the ratio, or the difference, of what is the same.
func (m *Metric) none() float64 {
	if m.Absolute {
		return 0
	}
	return 1
}

// effect is what the metric's sides are compared by.
func (m *Metric) effect() effect {
	if m.Absolute {
		return difference
	}
	return logRatio
}

// size is how large a ratio, or a difference, is as an effect.
func (m *Metric) size(ratio float64) float64 {
	if m.Absolute {
		return math.Abs(ratio)
	}
	return math.Abs(math.Log(ratio))
}

// ratio is the reverse of the metric's effect.
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

// blockPair is what either side has in one block.
type blockPair struct{ a, b []*record.Trial }

// compareMetrics compares all metrics of the trials of two sides.
//
// Holm adjusts within two families, the primary metrics, on which a
// recommendation rests, and the others, which explain it. A false alarm among
// the first is then as rare as stated however many others are shown, and neither
// family needs more blocks because the other is there.
func compareMetrics(blocks []blockPair, labels [2]string) []Row {
	first := blocks[0].a[0]
	clock := first.Machine.Clock
	var rows []Row
	for _, m := range Metrics() {
		if m.Only != "" && m.Only != clock && clock != "" {
			continue
		}
		switch {
		case m.Clock && clock == record.Virtual: // it tells the way to a reader on the only CPU
			m.Weight = 0
		case !m.Counts && first.Trial.Shows == record.ShowsDelivery:
			m.Weight = 0
		case m.DecidesOf != nil && !m.DecidesOf(&first.Cell):
			m.Weight = 0
		}
		row := compareMetric(m, blocks)
		switch {
		case row.Why == "" && math.IsNaN(row.A) && math.IsNaN(row.B):
			continue // these trials do not have it
		case m.Slug == skippedSlug && nothingSkipped(blocks):
			continue // as nearly always
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

// boundLoss gives the interval of no loss on either side: of none in N events 3/N is
// the most that would not have shown one with 95 % probability (the rule of three).
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

// compareValues compares what the blocks have of a metric, by the comparisons among
// their trials that are independent.
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
	row.A, row.B = median(as), median(bs)
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

// decide gives the verdict. What chance has no part in is as it is.
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

// noRatio says why there is none.
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

// blockTime is what one more block of these trials takes: from the start of the
// first trial to that of the last, and what the last took. Where the starts are
// not known it is the time in which events were made. A machine's boot is not in
// it.
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
		// The starts tell more: settling and draining lie between them.
		all = append(all, float64(max(last.Sub(first)+of, measured)))
	}
	return time.Duration(median(all))
}
