// SPDX-License-Identifier: MIT

package verdict

import (
	"cmp"
	"math"
	"slices"
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

// estimate is an effect, paired by block, with its interval. Interval and p hold
// however often one has looked before, and whenever one stopped: that is what lets
// a run go on until it can say.
type estimate struct {
	// mid is the median effect; low and high bound it. Where they are no interval they
	// are the extremes.
	mid, low, high float64
	interval       bool
	// p bounds the probability of so much evidence, now or at any look before, if
	// the sides were the same: NaN where there is no interval.
	p       float64
	effects int
}

// effectsOf are those of the blocks; none where there is no estimate. A block that
// has nothing of a side has no effect, nor has one with a figure of 0 a ratio: with
// one of those there is no estimate.
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
	return estimate{mid: median(effects), low: slices.Min(effects), high: slices.Max(effects), p: math.NaN(), effects: len(effects)}
}

// compareByChance estimates an effect that chance has a part in. Nothing is assumed
// of the blocks but that without a difference either side could have been the other,
// so that an effect and its reverse are as likely.
//
// The order statistics of a sample, as in golang.org/x/perf/benchmath, bound its median
// with intervals 0.5 to 0.75 times as wide, but for one number of effects that is fixed
// before. Who looks after each of 7 to 80 effects sees such an interval leave out the
// truth in 24 to 26 of 100 runs, one of these in at most 6: see TestFixedInterval.
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

// minEffects is the fewest that have an interval: with fewer, no effect however
// large has the evidence against it that leaves it out.
const minEffects = 7

// stakes are those who bet on the sign of an effect: on one of median size the
// hyperbolic tangent of scale, and never more than most, as shares of what each has, from his money on.
// They win most where noise cannot turn the difference round; where it hides in noise;
// and where outliers do, that tell no more than others.
var stakes = [...]struct{ scale, most, money float64 }{
	{16, 1, 4}, {1, 1, 1}, {0.5, 1, 1}, {0.25, 1, 1}, {2, 0.4, 1}, {2, 0.2, 1},
}

// evidence is the logarithm of a test martingale against the effects being symmetric
// around a centre. If they are, the sign of each is a fair coin whatever its size, so
// who bets on the signs, one after the other, multiplies what he has by 1 on average,
// and has 1/α or more at any time with probability α at most (Ville's inequality).
// The bets are on either side, with stakes that depend on how large an effect is
// beside the median of those until then; what all of them win is added up.
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

// allBut is the largest bet: who stakes all is out of the game after one loss.
const allBut = 1 - 1e-9

// consistent are the ends of the centres that there is no evidence against.
func consistent(effects []float64) (low, high float64) {
	limit := -math.Log(1 - confidence)
	middle := median(effects)
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

// compareByPhase estimates an effect in virtual time, which repeats exactly: what two
// trials of a side differ by is their phase against the kernel's timers, and nothing
// else. That is nearly nothing, and measured in every block: Student's t, with the
// variance within blocks or that between them, whichever is larger. The k-th look
// may spend 6/(π²k²) of all that false alarms are allowed, which is all of it over
// any number of looks.
func compareByPhase(pairs []pair, effects []float64, f effect) estimate {
	e := extremes(effects)
	within, degrees := 0.0, 0
	for _, p := range pairs {
		for _, side := range [][]float64{p.a, p.b} {
			if len(side) < 2 {
				continue
			}
			around := median(side)
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
		within /= float64(degrees) // of a block with two trials a side, which a mean halves twice
	}
	if n > 1 {
		between /= float64(n - 1)
	}
	e.interval = true
	scatter := math.Sqrt(max(within, between) / float64(n))
	if scatter == 0 { // or there are no two of a side, as in virtual time there need not be
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

// moreEffects estimates how many effects in all decide, from those at hand: as many as
// narrow the interval to margin on either side, for half its width shrinks with the
// square root of their number, or as have the evidence, which grows by as much with
// each. 0: it cannot be said.
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
		// A fifth of the family's share is what the first of five has to pass.
		need = min(need, n*math.Log(alpha/5)/math.Log(e.p))
	}
	if need > 1<<20 || math.IsNaN(need) {
		return 0
	}
	return max(int(math.Ceil(need)), e.effects+1)
}
