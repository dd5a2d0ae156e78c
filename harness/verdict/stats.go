package verdict

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how often the bootstrap draws: the ends of a 95 % interval then
// move by some percent of its width from seed to seed.
const resamples = 2000

// confidence of all intervals.
const confidence = 0.95

// pair is one block: what one side and the other have of a metric, in the order
// of execution.
type pair struct{ a, b []float64 }

// logRatio is log(b/a) of the medians; infinite or NaN where one is 0.
func (p pair) logRatio() float64 { return math.Log(median(p.b) / median(p.a)) }

// estimate is a ratio b/a, paired by block, with its interval.
type estimate struct {
	// log is the median over blocks of the log-ratio; low and high bound it.
	// With fewer blocks than minBlocks they are its extremes, and no interval.
	log, low, high float64
	// p is the exact probability of a median as far from 0 or farther if the two
	// sides were the same, by flipping the sign of each block's log-ratio: NaN
	// with fewer blocks than minBlocks.
	p      float64
	blocks int
}

// minBlocks is the fewest blocks that can decide: 2 of 2^9 signs, times the twelve
// metrics that Holm adjusts for at most, are below 0.05.
const minBlocks = 9

// compare estimates the ratio of what is paired. A block that has nothing of a
// side, or a figure of 0, has no ratio: with one of those, there is no estimate.
func compare(pairs []pair, seed uint64) (estimate, bool) {
	logs := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		logs = append(logs, p.logRatio())
	}
	if len(logs) == 0 || slices.ContainsFunc(logs, func(x float64) bool { return math.IsInf(x, 0) || math.IsNaN(x) }) {
		return estimate{}, false
	}
	e := estimate{log: median(logs), low: slices.Min(logs), high: slices.Max(logs), p: math.NaN(), blocks: len(logs)}
	if len(logs) >= minBlocks {
		e.low, e.high = bootstrap(pairs, seed)
		e.p = signFlip(logs, seed)
	}
	return e, true
}

// bootstrap draws blocks with replacement, then trials within each, and returns
// the ends of the percentile interval of the median log-ratio.
//
// Efron and Tibshirani, An Introduction to the Bootstrap, section 13.3.
func bootstrap(pairs []pair, seed uint64) (low, high float64) {
	random := rand.New(rand.NewPCG(seed, 1))
	var a, b []float64
	draw := func(v []float64, into []float64) []float64 {
		into = into[:0]
		for range v {
			into = append(into, v[random.IntN(len(v))])
		}
		return into
	}
	// Of blocks with few trials each outcome is known in advance: logarithms cost
	// more than all else here.
	tables := make([][]float64, len(pairs))
	for i, p := range pairs {
		tables[i] = p.outcomes()
	}
	logs := make([]float64, len(pairs))
	medians := make([]float64, resamples)
	for i := range medians {
		for j := range logs {
			n := random.IntN(len(pairs))
			if table := tables[n]; table != nil {
				logs[j] = table[random.IntN(len(table))]
				continue
			}
			a, b = draw(pairs[n].a, a), draw(pairs[n].b, b)
			logs[j] = pair{a, b}.logRatio()
		}
		medians[i] = medianOf(logs)
	}
	slices.Sort(medians)
	return quantile(medians, (1-confidence)/2), quantile(medians, (1+confidence)/2)
}

// outcomes are the log-ratios of all resamples of a block of at most two trials a
// side, each as often as it comes; nil of a larger one.
func (p pair) outcomes() []float64 {
	if len(p.a) > 2 || len(p.b) > 2 {
		return nil
	}
	medians := func(v []float64) []float64 {
		var all []float64
		for _, x := range v {
			for _, y := range v {
				all = append(all, (x+y)/2)
			}
		}
		if len(v) == 1 {
			return v
		}
		return all
	}
	var all []float64
	for _, b := range medians(p.b) {
		for _, a := range medians(p.a) {
			all = append(all, math.Log(b/a))
		}
	}
	return all
}

// exactBlocks is up to how many blocks all signs are tried.
const exactBlocks = 16

// signFlip is the two-sided p of the mean of logs under random signs: exact up
// to exactBlocks blocks, and drawn beyond.
func signFlip(logs []float64, seed uint64) float64 {
	var seen float64
	for _, x := range logs {
		seen += x
	}
	seen = math.Abs(seen)
	// As far, but for what adding in another order rounds.
	far := func(sum float64) bool { return math.Abs(sum) >= seen*(1-1e-12) }
	count, all := 0, 0
	try := func(sign func(i int) bool) {
		sum := 0.0
		for i, x := range logs {
			if sign(i) {
				x = -x
			}
			sum += x
		}
		all++
		if far(sum) {
			count++
		}
	}
	if len(logs) <= exactBlocks {
		for signs := range 1 << len(logs) {
			try(func(i int) bool { return signs>>i&1 == 1 })
		}
		return float64(count) / float64(all)
	}
	random := rand.New(rand.NewPCG(seed, 2))
	for range 20_000 {
		try(func(int) bool { return random.Uint64()&1 == 1 })
	}
	// The seen order counts as one of those drawn, or p could be 0.
	return float64(count+1) / float64(all+1)
}

// holm adjusts p for how many were tested: the smallest times n, the next times
// n-1, and never below one before it. NaN stays, and counts for nothing.
//
// Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
func holm(p []float64) []float64 {
	order := make([]int, 0, len(p))
	for i, x := range p {
		if !math.IsNaN(x) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := slices.Clone(p)
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, math.Min(1, p[i]*float64(len(order)-rank)))
		adjusted[i] = highest
	}
	return adjusted
}

// quantile of sorted values, between two by the line that joins them.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// median of an even number of values is the mean of the two in the middle, and
// of none NaN.
func median(v []float64) float64 {
	switch len(v) { // the sizes of a block, without a copy
	case 0:
		return math.NaN()
	case 1:
		return v[0]
	case 2:
		return (v[0] + v[1]) / 2
	}
	return medianOf(slices.Clone(v))
}

// medianOf sorts v.
func medianOf(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// moreBlocks estimates how many blocks in all would make the interval of a
// median narrower than margin on either side, from the spread of those at hand:
// half the width shrinks with the square root of their number. 0: it cannot be
// said.
func moreBlocks(e estimate, margin float64) int {
	half := (e.high - e.low) / 2
	if half <= 0 && e.blocks > 0 && e.blocks < minBlocks {
		return minBlocks
	}
	if e.blocks < 2 || half <= 0 || margin <= 0 {
		return 0
	}
	need := math.Ceil(float64(e.blocks) * (half / margin) * (half / margin))
	if need > 1<<20 {
		return 0
	}
	return max(int(need), e.blocks+1, minBlocks)
}
