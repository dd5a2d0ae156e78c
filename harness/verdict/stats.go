package verdict

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// confidence of all intervals.
const confidence = 0.95

// pair is one block: what one side and the other have of a metric, in the order
// of execution.
type pair struct{ a, b []float64 }

// effect is how far b is from a: 0 where they do not differ.
type effect func(a, b float64) float64

// logRatio is log(b/a); infinite or NaN where one is 0.
func logRatio(a, b float64) float64 { return math.Log(b / a) }

// difference is b-a.
func difference(a, b float64) float64 { return b - a }

// of is the effect between the medians of a block.
func (f effect) of(p pair) float64 { return f(median(p.a), median(p.b)) }

// estimate is an effect, paired by block, with its interval.
type estimate struct {
	// mid is the median over blocks; low and high bound it. With fewer blocks
	// than minBlocks they are the extremes of the blocks, and no interval.
	mid, low, high float64
	// p is the exact probability of a mean as far from 0 or farther if the two
	// sides were the same, by flipping the sign of each block's effect: NaN with
	// fewer blocks than minBlocks.
	p      float64
	blocks int
}

// minBlocks is the fewest blocks that can decide: 2 of 2^8 signs, times the six
// metrics that Holm adjusts for in either family, are below 0.05.
const minBlocks = 8

// compare estimates the effect in what is paired. A block that has nothing of a
// side has no effect, nor has one with a figure of 0 a ratio: with one of those,
// there is no estimate.
func compare(pairs []pair, f effect, seed uint64) (estimate, bool) {
	e, effects := spread(pairs, f, seed)
	if len(effects) >= minBlocks {
		e.p = signFlip(effects)
	}
	return e, len(effects) > 0
}

// spread is an estimate without p, and the effects of the blocks; none where there
// is no estimate.
func spread(pairs []pair, f effect, seed uint64) (estimate, []float64) {
	effects := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		x := f.of(p)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return estimate{}, nil
		}
		effects = append(effects, x)
	}
	if len(effects) == 0 {
		return estimate{}, nil
	}
	e := estimate{mid: median(effects), low: slices.Min(effects), high: slices.Max(effects), p: math.NaN(), blocks: len(effects)}
	if len(effects) >= minBlocks {
		e.low, e.high = bootstrap(pairs, f, seed)
	}
	return e, effects
}

// atom is an effect that a resample of a block can have, and how probable it is.
type atom struct{ effect, weight float64 }

// bootstrap draws blocks with replacement, then trials within each, and returns
// the ends of the percentile interval of the median effect.
//
// The effects in a resample are independent draws from one distribution: a block
// at random, and a resample of it at random. So nothing has to be simulated: the
// median of n of them is below x as often as at least half of n draws are, which
// is a binomial probability. Of an even number the lower of the two in the middle
// gives the lower end, and the upper one the upper: that is never too narrow.
//
// Efron and Tibshirani, An Introduction to the Bootstrap, sections 6.2 (the ideal
// bootstrap) and 13.3.
func bootstrap(pairs []pair, f effect, seed uint64) (low, high float64) {
	atoms := make([]atom, 0, 9*len(pairs)) // blocks of two trials a side
	for _, p := range pairs {
		atoms = resamples(atoms, p, f, 1/float64(len(pairs)), seed)
	}
	slices.SortFunc(atoms, func(x, y atom) int { return cmp.Compare(x.effect, y.effect) })
	tail := medianTail(len(pairs))
	at := func(share float64) float64 {
		sum := 0.0
		for _, a := range atoms {
			// What adding rounds must not move it to the next.
			if sum += a.weight; sum >= share-1e-9 {
				return a.effect
			}
		}
		return atoms[len(atoms)-1].effect
	}
	return at(tail), at(1 - tail)
}

// allResamples is up to how many resamples of a block are all taken; of more, so
// many are drawn.
const allResamples = 256

// resamples appends the effects of the resamples of a block, which share a weight.
func resamples(atoms []atom, p pair, f effect, weight float64, seed uint64) []atom {
	n := math.Pow(float64(len(p.a)), float64(len(p.a))) * math.Pow(float64(len(p.b)), float64(len(p.b)))
	if n > allResamples {
		random := rand.New(rand.NewPCG(seed, 1))
		draw := func(v []float64) []float64 {
			drawn := make([]float64, len(v))
			for i := range drawn {
				drawn[i] = v[random.IntN(len(v))]
			}
			return drawn
		}
		for range allResamples {
			atoms = append(atoms, atom{f.of(pair{draw(p.a), draw(p.b)}), weight / allResamples})
		}
		return atoms
	}
	as, bs := mediansOf(p.a, make([]atom, 0, 4)), mediansOf(p.b, make([]atom, 0, 4))
	for _, a := range as {
		for _, b := range bs {
			atoms = append(atoms, atom{f(a.effect, b.effect), weight * a.weight * b.weight})
		}
	}
	return atoms
}

// mediansOf appends the medians of all resamples of v, and how probable each is.
func mediansOf(v []float64, into []atom) []atom {
	switch len(v) { // the sizes of a block
	case 1:
		return append(into, atom{v[0], 1})
	case 2:
		return append(into, atom{v[0], 0.25}, atom{(v[0] + v[1]) / 2, 0.5}, atom{v[1], 0.25})
	}
	all := [][]float64{nil}
	for range v {
		var longer [][]float64
		for _, drawn := range all {
			for _, x := range v {
				longer = append(longer, append(slices.Clip(drawn), x))
			}
		}
		all = longer
	}
	for _, drawn := range all {
		into = append(into, atom{median(drawn), 1 / float64(len(all))})
	}
	return into
}

// tails keeps what medianTail has found.
var tails sync.Map

// medianTail is the share f of a distribution below the lower end of the interval
// of the median of n draws: with probability (1-confidence)/2, at least half of
// the draws are in it.
func medianTail(n int) float64 {
	if known, ok := tails.Load(n); ok {
		return known.(float64)
	}
	low, high := 0.0, 0.5
	for range 60 {
		if middle := (low + high) / 2; atLeast(n, (n+1)/2, middle) < (1-confidence)/2 {
			low = middle
		} else {
			high = middle
		}
	}
	tails.Store(n, low)
	return low
}

// atLeast is the probability of k or more successes in n tries of probability f.
func atLeast(n, k int, f float64) float64 {
	factorial := func(x int) float64 { l, _ := math.Lgamma(float64(x) + 1); return l }
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(factorial(n) - factorial(i) - factorial(n-i) + float64(i)*math.Log(f) + float64(n-i)*math.Log1p(-f))
	}
	return sum
}

// exactBlocks is up to how many blocks all signs are tried.
const exactBlocks = 24

// signFlip is the two-sided p of the sum of effects under random signs. It is
// exact up to exactBlocks blocks; the sum of more signs is normal, nearly.
func signFlip(effects []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range effects {
		sum, squares = sum+x, squares+x*x
	}
	// As far, but for what adding in another order rounds.
	seen := math.Abs(sum) * (1 - 1e-12)
	if seen == 0 {
		return 1
	}
	if len(effects) > exactBlocks {
		return math.Erfc(seen / math.Sqrt(2*squares))
	}
	// A sum of all is one of either half: for each of the one, count those of the
	// other that make it far enough. The signs of both tails are as many.
	left, right := signedSums(effects[:len(effects)/2]), signedSums(effects[len(effects)/2:])
	far, below := 0, len(right)
	for _, x := range left { // rising, so that the least y that is enough falls
		for below > 0 && x+right[below-1] >= seen {
			below--
		}
		far += len(right) - below
	}
	return 2 * float64(far) / math.Exp2(float64(len(effects)))
}

// signedSums are the sums of v under all signs, rising.
func signedSums(v []float64) []float64 {
	sums := []float64{0}
	for _, x := range v {
		for _, sum := range slices.Clone(sums) {
			sums = append(sums, sum+x)
		}
		for i := range len(sums) / 2 {
			sums[i] -= x
		}
	}
	slices.Sort(sums)
	return sums
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
	v = slices.Clone(v)
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
