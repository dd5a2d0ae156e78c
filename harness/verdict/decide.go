package verdict

import (
	"math"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Verdict is the answer to a comparison.
type Verdict string

// The verdicts. What matters is the margin of the metric.
const (
	PerfBetter    Verdict = "perf better"
	RingbufBetter Verdict = "ringbuf better"
	Equivalent    Verdict = "equivalent"   // the interval lies inside the margin, and holds no difference
	Trivial       Verdict = "trivial"      // a real difference, inside the margin
	Inconclusive  Verdict = "inconclusive" // more blocks may decide
	NoVerdict     Verdict = "invalid"      // there is no ratio
)

// alpha is the probability of a false alarm that a comparison bears, over all its
// metrics.
const alpha = 1 - confidence

// compareMetrics compares all metrics of the trials of one set-up.
func compareMetrics(perf, ringbuf []*record.Trial) []Row {
	var rows []Row
	var ps []float64
	for _, m := range Metrics() {
		row := compareMetric(m, perf, ringbuf)
		rows, ps = append(rows, row), append(ps, row.P)
	}
	virtual := perf[0].Machine.Clock == record.Virtual
	for i, p := range holm(ps) {
		rows[i].P = p
		rows[i].decide(virtual)
	}
	return rows
}

func compareMetric(m Metric, perf, ringbuf []*record.Trial) Row {
	row := Row{Metric: m, Perf: median(values(m, perf)), Ringbuf: median(values(m, ringbuf))}
	row.Ratio, row.Low, row.High, row.P, row.Floor = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	var pairs, aa []pair
	for _, id := range blocks(perf, ringbuf) {
		in := func(t *record.Trial) bool { return blockOf(t) == id }
		a, b := values(m, filter(perf, in)), values(m, filter(ringbuf, in))
		for _, same := range [][]float64{a, b} {
			if len(same) == 2 {
				aa = append(aa, pair{same[:1], same[1:]})
			}
		}
		if len(a) > 0 && len(b) > 0 { // else one transport was not measured there
			pairs = append(pairs, pair{a, b})
		}
	}
	row.Blocks = len(pairs)
	seed := perf[0].Trial.Seed
	if e, ok := compare(pairs, seed); ok {
		row.Ratio, row.Low, row.High = math.Exp(e.log), math.Exp(e.low), math.Exp(e.high)
		if !m.Exact { // chance has no part in the others
			row.P = e.p
		}
		row.Interval = e.blocks >= minBlocks
		row.More = moreBlocks(e, math.Log1p(m.Margin))
	}
	if e, ok := compare(aa, seed); ok {
		row.Floor = math.Expm1(max(math.Abs(e.low), math.Abs(e.high)))
	}
	return row
}

// decide gives the verdict. Where nothing varies, be it that the metric cannot or
// that time is virtual, the ratio is its own interval.
func (r *Row) decide(virtual bool) {
	exact := (r.Metric.Exact || virtual) && r.Low == r.High
	certain := r.Interval && !r.Metric.Exact || exact
	inside := func(ratio float64) bool { return math.Abs(math.Log(ratio)) <= math.Log1p(r.Metric.Margin) }
	real := (r.Low > 1 || r.High < 1) && (exact || r.P < alpha)
	switch {
	case math.IsNaN(r.Ratio):
		r.Verdict = NoVerdict
	case !certain:
		r.Verdict = Inconclusive
	case inside(r.Low) && inside(r.High) && real:
		r.Verdict = Trivial
	case inside(r.Low) && inside(r.High):
		r.Verdict = Equivalent
	case real && !inside(r.Ratio):
		r.Verdict = PerfBetter
		if (r.Ratio < 1) == (r.Metric.Better == Lower) {
			r.Verdict = RingbufBetter
		}
	default:
		r.Verdict = Inconclusive
	}
	if r.Verdict != Inconclusive {
		r.More = 0
	}
}
