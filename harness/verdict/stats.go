// SPDX-License-Identifier: MIT

package verdict

import (
	"cmp"
	"math"
	"slices"
)

// confidence of all intervals.
const confidence = 0.95

// pair is one block: the values of both sides for a metric, in the order of execution.
type pair struct{ a, b []float64 }

// effect is how far b is from a: 0 where they do not differ.
type effect func(a, b float64) float64

// logRatio is log(b/a); infinite or NaN where one is 0.
func logRatio(a, b float64) float64 { return math.Log(b / a) }

// difference is b-a.
func difference(a, b float64) float64 { return b - a }

// of is the effect between the medians of a block.
func (f effect) of(p pair) float64 { return f(Median(p.a), Median(p.b)) }

// estimate is an effect, paired by block, with its interval. Interval and p are valid
// after any number of looks and at any stopping time, so a run may continue until it can
// decide.
type estimate struct {
	// mid is the median effect; low and high bound it. Without an interval they are the
	// extremes.
	mid, low, high float64
	interval       bool
	// p bounds the probability of so much evidence, at this or any earlier look, if the
	// sides were the same: NaN without an interval.
	p       float64
	effects int
}

// effectsOf returns the effects of the blocks; none if there is no estimate. A block
// without values of a side has no effect. A block with a figure of 0 has no ratio, and
// then there is no estimate.
func effectsOf(pairs []pair, f effect) []float64 {
	effects := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		x := f.of(p)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil
		}
		effects = append(effects, x)
	}
	return effects
}

func extremes(effects []float64) estimate {
	return estimate{mid: Median(effects), low: slices.Min(effects), high: slices.Max(effects), p: math.NaN(), effects: len(effects)}
}

// compareByChance estimates a random effect. It assumes only that the sides of a block
// are exchangeable without a difference, so that an effect and its reverse are equally
// likely.
//
// The order statistics of a sample, as in golang.org/x/perf/benchmath, bound its median
// with intervals 0.5 to 0.75 times as wide, but only for a number of effects fixed in
// advance. With a look after each of 7 to 80 effects, such an interval misses the truth
// in 24 to 26 of 100 runs, and this one in at most 6: see TestFixedInterval.
func compareByChance(effects []float64) estimate {
	e := extremes(effects)
	if len(effects) < minEffects {
		return e
	}
	e.interval = true
	e.p = math.Min(1, math.Exp(-evidence(effects, 0)))
	e.low, e.high = consistent(effects)
	return e
}

// minEffects is the minimum number for an interval: with fewer, the evidence cannot
// exclude any effect, however large.
const minEffects = 7

// stakes are the bettors on the sign of an effect, each with an initial capital (money).
// On an effect of median size each bets the share most * tanh(scale) of its capital. They
// win most where noise cannot reverse the difference, where the difference is below the
// noise, and where outliers are no more informative than other effects.
var stakes = [...]struct{ scale, most, money float64 }{
	{16, 1, 4}, {1, 1, 1}, {0.5, 1, 1}, {0.25, 1, 1}, {2, 0.4, 1}, {2, 0.2, 1},
}

// evidence is the logarithm of a test martingale against the effects being symmetric
// around a centre. If they are, the sign of each is a fair coin whatever its size. So
// sequential bets on the signs multiply the capital by 1 on average, and it reaches 1/α
// at any time with probability α at most (Ville's inequality). The bets are on both
// sides, with stakes that depend on the ratio of an effect to the median so far; the
// capitals of all are summed.
//
// Ramdas, Ruf, Larsson and Koolen, Admissible anytime-valid sequential inference must
// rely on nonnegative martingales, 2020, section 6 on symmetry;
// de la Peña, A general class of exponential inequalities for martingales and ratios,
// 1999.
func evidence(effects []float64, centre float64) float64 {
	var up, down [len(stakes)]float64
	sizes := make([]float64, 0, len(effects))
	for _, x := range effects {
		x -= centre
		size := math.Abs(x)
		at, _ := slices.BinarySearch(sizes, size)
		sizes = slices.Insert(sizes, at, size)
		if size == 0 {
			continue // it has no sign
		}
		middle := (sizes[(len(sizes)-1)/2] + sizes[len(sizes)/2]) / 2
		for i, stake := range stakes {
			bet := stake.most
			if middle > 0 {
				bet *= math.Tanh(stake.scale * size / middle)
			}
			bet = math.Copysign(min(bet, allBut), x)
			up[i] += math.Log1p(bet)
			down[i] += math.Log1p(-bet)
		}
	}
	highest := max(slices.Max(up[:]), slices.Max(down[:]))
	have, had := 0.0, 0.0
	for i, stake := range stakes {
		have += stake.money * (math.Exp(up[i]-highest) + math.Exp(down[i]-highest))
		had += stake.money * 2
	}
	return highest + math.Log(have/had)
}

// allBut is the largest bet: a stake of 1 would end a bettor's game after one loss.
const allBut = 1 - 1e-9

// consistent returns the ends of the interval of centres that the evidence does not
// exclude.
func consistent(effects []float64) (low, high float64) {
	limit := -math.Log(1 - confidence)
	middle := Median(effects)
	reach := max(slices.Max(effects)-middle, middle-slices.Min(effects))
	end := func(direction float64) float64 {
		if reach == 0 {
			return middle
		}
		near, far := 0.0, reach
		for evidence(effects, middle+direction*far) < limit {
			near, far = far, 2*far
		}
		for range 30 {
			if half := (near + far) / 2; evidence(effects, middle+direction*half) < limit {
				near = half
			} else {
				far = half
			}
		}
		return middle + direction*far
	}
	return end(-1), end(1)
}

// compareByPhase estimates an effect in virtual time, which repeats exactly: trials of a
// side differ only by their phase against the kernel's timers. This variance is small,
// and measured in every block. The estimate uses Student's t, with the variance within
// blocks or between them, whichever is larger. The k-th look may spend 6/(π²k²) of the
// false alarm probability, which sums to all of it.
func compareByPhase(pairs []pair, effects []float64, f effect) estimate {
	e := extremes(effects)
	within, degrees := 0.0, 0
	for _, p := range pairs {
		for _, side := range [][]float64{p.a, p.b} {
			if len(side) < 2 {
				continue
			}
			around := Median(side)
			for _, x := range side {
				d := f(around, x)
				within += d * d
			}
			degrees += len(side) - 1
		}
	}
	between := 0.0
	for _, x := range effects {
		between += (x - e.mid) * (x - e.mid)
	}
	n := len(effects)
	if degrees > 0 {
		within /= float64(degrees) // of a block with two trials per side, whose mean halves it twice
	}
	if n > 1 {
		between /= float64(n - 1)
	}
	e.interval = true
	scatter := math.Sqrt(max(within, between) / float64(n))
	if scatter == 0 { // or no side has two trials, which virtual time does not require
		e.p = 1
		if e.mid != 0 {
			e.p = 0
		}
		return e
	}
	// An even number, for which Student's t is a short sum.
	degrees = max(degrees-degrees%2, 2)
	share := 6 / (math.Pi * math.Pi * float64(n) * float64(n))
	e.p = math.Min(1, 2*studentTail(math.Abs(e.mid)/scatter, degrees)/share)
	far := scatter * studentQuantile(share*(1-confidence)/2, degrees)
	e.low, e.high = e.mid-far, e.mid+far
	return e
}

// studentTail is the probability that Student's t of an even number of degrees of
// freedom is above t.
//
// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.4.
func studentTail(t float64, degrees int) float64 {
	angle := math.Atan(t / math.Sqrt(float64(degrees)))
	square := math.Cos(angle) * math.Cos(angle)
	term, sum := 1.0, 0.0
	for i := 0; i < degrees; i += 2 {
		sum += term
		term *= square * float64(i+1) / float64(i+2)
	}
	return max((1-math.Sin(angle)*sum)/2, 0)
}

// studentQuantile is the t that tail is above.
func studentQuantile(tail float64, degrees int) float64 {
	low, high := 0.0, 1.0
	for studentTail(high, degrees) > tail {
		low, high = high, 2*high
	}
	for range 60 {
		if middle := (low + high) / 2; studentTail(middle, degrees) > tail {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// holm adjusts p for multiple tests: the smallest times n, the next times n-1, and never
// below the one before. NaN is kept, and not counted.
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

// Median returns the median; NaN if there are no values.
func Median(v []float64) float64 {
	switch len(v) { // the sizes of a block: no copy
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

// moreEffects estimates the total number of effects for a decision: enough to narrow the
// interval to margin on either side, as its half-width shrinks with the square root of
// their number, or enough for the evidence, which grows linearly. 0: unknown.
func moreEffects(e estimate, margin float64) int {
	half := (e.high - e.low) / 2
	if e.effects > 0 && e.effects < minEffects && (half <= 0 || !e.interval) {
		return minEffects + 2
	}
	if e.effects < 2 || half <= 0 || margin <= 0 {
		return 0
	}
	n := float64(e.effects)
	need := n * (half / margin) * (half / margin)
	if e.p < 1 {
		// The first of five must pass a fifth of the family's share.
		need = min(need, n*math.Log(alpha/5)/math.Log(e.p))
	}
	if need > 1<<20 || math.IsNaN(need) {
		return 0
	}
	return max(int(math.Ceil(need)), e.effects+1)
}
