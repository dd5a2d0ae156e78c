package verdict

import (
	"math"
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
	Equivalent   Verdict = "equivalent"   // the interval lies inside the margin, and holds no difference
	Trivial      Verdict = "trivial"      // a real difference, inside the margin
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
	// each; of an absolute metric it is the difference B-A. Low and High are the
	// ends of its 95 % interval, or where Interval is false the lowest and the
	// highest block. All are NaN where a block has a figure of 0. A block in which
	// only one side was measured is left out.
	Ratio, Low, High float64
	Interval         bool
	Blocks           int // that the ratio is of
	// P is the exact probability of such a ratio without a difference, adjusted
	// by Holm for the metrics of its family; NaN where there is no interval.
	P float64
	// Floor is how far from none the ratio of a side to itself is, or may be: its
	// first trials of a block against its last. NaN where it is not known.
	Floor   float64
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
	clock, seed := first.Machine.Clock, first.Trial.Seed
	var rows []Row
	for _, m := range Metrics() {
		if m.Only != "" && m.Only != clock && clock != "" {
			continue
		}
		row := compareMetric(m, blocks, seed)
		if row.Why == "" && math.IsNaN(row.A) && math.IsNaN(row.B) {
			continue // these trials do not have it
		}
		rows = append(rows, row)
	}
	adjust(rows)
	spent := blockTime(blocks)
	for i := range rows {
		rows[i].decide(clock == record.Virtual, labels)
		if rows[i].More > rows[i].Blocks {
			rows[i].MoreTime = time.Duration(rows[i].More-rows[i].Blocks) * spent
		}
	}
	return rows
}

// adjust replaces each p by that of Holm in its family.
func adjust(rows []Row) {
	for _, primary := range []bool{true, false} {
		ps := make([]float64, len(rows))
		for i := range rows {
			ps[i] = math.NaN()
			if rows[i].Metric.Primary == primary {
				ps[i] = rows[i].P
			}
		}
		for i, p := range holm(ps) {
			if rows[i].Metric.Primary == primary {
				rows[i].P = p
			}
		}
	}
}

func compareMetric(m Metric, blocks []blockPair, seed uint64) Row {
	pairs := make([]pair, len(blocks))
	var most int64
	for i, block := range blocks {
		pairs[i] = pair{values(m, block.a), values(m, block.b)}
		for _, t := range block.a {
			if t.Latency != nil {
				most = max(most, t.Latency.N)
			}
		}
	}
	row := compareValues(m, pairs, seed)
	if math.IsNaN(row.A) && math.IsNaN(row.B) && m.Events > most && most > 0 && m.Slug == "latency_p99" {
		row.Why = fewEvents(m.Events, most)
	}
	return row
}

// compareValues compares what the blocks have of a metric.
func compareValues(m Metric, blocks []pair, seed uint64) Row {
	row := Row{Metric: m}
	row.Ratio, row.Low, row.High, row.P, row.Floor = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	pairs, aa := make([]pair, 0, len(blocks)), make([]pair, 0, 2*len(blocks))
	as, bs := make([]float64, 0, 2*len(blocks)), make([]float64, 0, 2*len(blocks))
	for _, block := range blocks {
		as, bs = append(as, block.a...), append(bs, block.b...)
		for _, same := range [][]float64{block.a, block.b} {
			if n := len(same); n > 1 {
				aa = append(aa, pair{same[:n/2], same[n/2:]})
			}
		}
		if len(block.a) > 0 && len(block.b) > 0 { // else one side was not measured there
			pairs = append(pairs, block)
		}
	}
	row.A, row.B, row.Blocks = median(as), median(bs), len(pairs)
	if e, ok := compare(pairs, m.effect(), seed); ok {
		row.Ratio, row.Low, row.High = m.ratio(e.mid), m.ratio(e.low), m.ratio(e.high)
		if !m.Exact { // chance has no part in the others
			row.P = e.p
		}
		row.Interval = e.blocks >= minBlocks
		row.More = moreBlocks(e, m.margin())
	}
	if e, effects := spread(aa, m.effect(), seed); effects != nil {
		row.Floor = max(math.Abs(e.low), math.Abs(e.high))
		if !m.Absolute {
			row.Floor = math.Expm1(row.Floor)
		}
	}
	return row
}

// decide gives the verdict. Where nothing varies, be it that the metric cannot or
// that time is virtual, the ratio is its own interval, and one block decides.
//
// In virtual time the blocks of several seeds do differ, by their phase, though
// none of them would on another day. From three on their range decides, widened
// by itself on either side: for three blocks of normal scatter that is as wide as
// the 95 % interval of Student's t.
func (r *Row) decide(virtual bool, labels [2]string) {
	low, high := r.Low, r.High
	exact := (r.Metric.Exact || virtual) && low == high
	if phases := virtual && !exact && !r.Interval && r.Blocks >= 3; phases {
		exact = true
		if r.Metric.Absolute {
			low, high = low-(r.High-r.Low), high+(r.High-r.Low)
		} else {
			low, high = low*r.Low/r.High, high*r.High/r.Low
		}
	}
	certain := r.Interval && !r.Metric.Exact || exact
	none := r.Metric.none()
	inside := func(ratio float64) bool { return r.Metric.size(ratio) <= r.Metric.margin() }
	real := (low > none || high < none) && (exact || r.P < alpha)
	switch {
	case math.IsNaN(r.Ratio):
		r.Verdict = NoVerdict
		if r.Why == "" {
			r.Why = r.noRatio(labels)
		}
	case !certain:
		r.Verdict = Inconclusive
	case inside(low) && inside(high) && real:
		r.Verdict = Trivial
	case inside(low) && inside(high):
		r.Verdict = Equivalent
	case real && !inside(r.Ratio):
		r.Verdict, r.Winner = ABetter, labels[0]
		if (r.Ratio < none) == (r.Metric.Better == Lower) {
			r.Verdict, r.Winner = BBetter, labels[1]
		}
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
