package verdict

import (
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Verdict is the answer to a comparison.
type Verdict string

// The verdicts. What matters is the margin of the metric.
const (
	ABetter      Verdict = "A better"
	BBetter      Verdict = "B better"
	Equivalent   Verdict = "equivalent"   // the interval lies inside the margin, and holds no difference
	Trivial      Verdict = "trivial"      // a real difference, inside the margin
	Inconclusive Verdict = "inconclusive" // more blocks may decide
	NoVerdict    Verdict = "invalid"      // there is no ratio
)

// alpha is the probability of a false alarm that a comparison bears, over all its
// metrics.
const alpha = 1 - confidence

// compareMetrics compares all metrics of the trials of one set-up.
func compareMetrics(a, b []*record.Trial) []Row {
	pairs := pairUp(a, b)
	var rows []Row
	var ps []float64
	for _, m := range Metrics() {
		row := compareMetric(m, a, b, pairs)
		if math.IsNaN(row.A) && math.IsNaN(row.B) {
			continue // neither side has it
		}
		rows, ps = append(rows, row), append(ps, row.P)
	}
	virtual := a[0].Machine.Clock == record.Virtual
	for i, p := range holm(ps) {
		rows[i].P = p
		rows[i].decide(virtual)
	}
	return rows
}

// together is what both sides have of one block.
type together struct{ a, b []*record.Trial }

// pairUp groups the trials by block, in the order in which blocks come. Trials of
// different runs, or kernels, pair by the number of the block alone.
func pairUp(a, b []*record.Trial) []together {
	one := block{run: a[0].Trial.Run}
	same := func(t *record.Trial) bool {
		return t.Trial.Run == b[0].Trial.Run && t.Kernel == b[0].Kernel
	}
	paired := slices.ContainsFunc(a, same) // else no run has both sides
	var order []block
	groups := map[block]*together{}
	add := func(t *record.Trial, b bool) {
		id := blockOf(t)
		if !paired {
			id.run = one.run
		}
		if groups[id] == nil {
			groups[id] = &together{}
			order = append(order, id)
		}
		if b {
			groups[id].b = append(groups[id].b, t)
		} else {
			groups[id].a = append(groups[id].a, t)
		}
	}
	for _, t := range a {
		add(t, false)
	}
	for _, t := range b {
		add(t, true)
	}
	all := make([]together, 0, len(order))
	for _, id := range order {
		all = append(all, *groups[id])
	}
	return all
}

func compareMetric(m Metric, allA, allB []*record.Trial, blocks []together) Row {
	row := Row{Metric: m, A: median(values(m, allA)), B: median(values(m, allB))}
	row.Ratio, row.Low, row.High, row.P, row.Floor = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	var pairs, aa []pair
	for _, block := range blocks {
		a, b := values(m, block.a), values(m, block.b)
		for _, same := range [][]float64{a, b} {
			if len(same) == 2 {
				aa = append(aa, pair{same[:1], same[1:]})
			}
		}
		if len(a) > 0 && len(b) > 0 { // else one side was not measured there
			pairs = append(pairs, pair{a, b})
		}
	}
	row.Blocks = len(pairs)
	seed := allA[0].Trial.Seed
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
		r.Verdict = ABetter
		if (r.Ratio < 1) == (r.Metric.Better == Lower) {
			r.Verdict = BBetter
		}
	default:
		r.Verdict = Inconclusive
	}
	if r.Verdict != Inconclusive {
		r.More = 0
	}
}
