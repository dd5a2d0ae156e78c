// SPDX-License-Identifier: MIT

package verdict

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/perf/benchmath"
)

// noisy makes a block of two trials a side: a machine drifts from block to block,
// a trial by noise, and b is ratio times a.
func noisy(random *rand.Rand, noise, ratio float64) pair {
	machine := math.Exp(random.NormFloat64())
	trial := func(factor float64) float64 { return 1000 * machine * factor * math.Exp(noise*random.NormFloat64()) }
	return pair{[]float64{trial(1), trial(1)}, []float64{trial(ratio), trial(ratio)}}
}

func blocksOf(random *rand.Rand, n int, noise, ratio float64) []pair {
	pairs := make([]pair, n)
	for i := range pairs {
		pairs[i] = noisy(random, noise, ratio)
	}
	return pairs
}

// scatters are noise distributions of trials without a difference, from usual machines to
// shared ones. The method only requires that trials are exchangeable.
func scatters() map[string]func(*rand.Rand) float64 {
	return map[string]func(*rand.Rand) float64{
		"normal":       func(r *rand.Rand) float64 { return 0.05 * r.NormFloat64() },
		"heavy tails":  func(r *rand.Rand) float64 { return 0.02 * r.NormFloat64() / math.Sqrt(r.ExpFloat64()) },
		"skewed":       func(r *rand.Rand) float64 { return 0.1 * math.Exp(r.NormFloat64()) },
		"two modes":    func(r *rand.Rand) float64 { return 0.3*float64(r.IntN(2)) + 0.001*r.NormFloat64() },
		"few values":   func(r *rand.Rand) float64 { return 0.05 * float64(r.IntN(3)) },
		"rare outlier": func(r *rand.Rand) float64 { return 0.01*r.NormFloat64() + 3*math.Floor(r.Float64()+0.02) },
		"none":         func(*rand.Rand) float64 { return 0 },
	}
}

// simulated is how many runs without a difference, of five metrics each, report one: with
// looks after every block of two pairs, or only after the last. The machine drifts, and
// the first side of a pair is random.
func simulated(scatter func(*rand.Rand) float64, runs, blocks int, looks bool) (alarms int) {
	for run := range runs {
		random := rand.New(rand.NewPCG(uint64(run), 3))
		var effects [5][]float64
		drift := 0.0
		for block := 1; block <= blocks; block++ {
			for range 2 {
				sign := float64(1 - 2*random.IntN(2))
				before := drift
				drift += 0.05 * random.NormFloat64()
				for m := range effects {
					effects[m] = append(effects[m], sign*(drift-before+scatter(random)-scatter(random)))
				}
			}
			if !looks && block < blocks {
				continue
			}
			ps := make([]float64, len(effects))
			for m := range effects {
				ps[m] = math.Min(1, math.Exp(-evidence(effects[m], 0)))
			}
			if minimum(holm(ps)) < alpha {
				alarms++
				break
			}
		}
	}
	return alarms
}

func minimum(ps []float64) float64 {
	least := 1.0
	for _, p := range ps {
		if p < least { // NaN is not
			least = p
		}
	}
	return least
}

var flagRuns = flag.Int("runs", 300, "runs of TestFalseAlarms, of each kind of scatter; 2000 make the table of docs/statistics.md")

// TestFalseAlarms: false alarms among five equal metrics are rare, after any number of
// looks.
func TestFalseAlarms(t *testing.T) {
	runs := *flagRuns
	for name, scatter := range scatters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looks, end := simulated(scatter, runs, 40, true), simulated(scatter, runs, 40, false)
			// 5 % and four standard deviations of a binomial.
			if limit := int(0.05*float64(runs) + 4*math.Sqrt(0.0475*float64(runs))); looks > limit || end > limit {
				t.Errorf("%d of %d runs with looks, %d without, at most %d", looks, runs, end, limit)
			}
			t.Logf("| %s | %.1f %% | %.1f %% |", name, 100*float64(looks)/float64(runs), 100*float64(end)/float64(runs))
		})
	}
}

// TestIntervalCovers: the interval covers the truth at all looks simultaneously, so that
// any may be the last.
func TestIntervalCovers(t *testing.T) {
	const runs, blocks = 200, 40
	limit := -math.Log(1 - confidence)
	missed := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(uint64(run), 5))
		var pairs []pair
		for range blocks {
			pairs = append(pairs, noisy(random, 0.05, 1.3))
			if evidence(effectsOf(pairs, logRatio), math.Log(1.3)) >= limit {
				missed++
				break
			}
		}
		if e := compareByChance(effectsOf(pairs, logRatio)); run < 20 && math.Abs(evidence(effectsOf(pairs, logRatio), e.low)-limit) > 0.01 {
			t.Errorf("%+v: the evidence at the end is %g, want %g", e, evidence(effectsOf(pairs, logRatio), e.low), limit)
		}
	}
	if most := 22; missed > most { // 5 % of 200, and four standard deviations
		t.Errorf("in %d of %d runs the interval once left out what is true, at most %d", missed, runs, most)
	}
}

// TestFixedInterval: the interval of the median by order statistics has its nominal
// coverage for a single look, and far less for a look after each effect. So it is not
// used here.
func TestFixedInterval(t *testing.T) {
	const runs, effects = 400, 80
	ever, end := 0, 0
	for run := range runs {
		random := rand.New(rand.NewPCG(uint64(run), 77))
		var v []float64
		missed, misses := false, false
		for len(v) < effects {
			v = append(v, random.NormFloat64())
			if len(v) < minEffects {
				continue
			}
			thresholds := benchmath.DefaultThresholds
			s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(v), &thresholds), confidence)
			misses = s.Lo > 0 || s.Hi < 0
			missed = missed || misses
		}
		if missed {
			ever++
		}
		if misses {
			end++
		}
	}
	t.Logf("missed in %d of %d runs at some look, in %d at the last", ever, runs, end)
	if most := 20 + 18; end > most || ever < 3*most/2 { // 5 % of 400, and four standard deviations
		t.Errorf("missed in %d of %d runs at some look, in %d at the last: want far more than %d, and at most that", ever, runs, end, most)
	}
}

// TestFindsTheRatio: a ratio is found although noise between blocks is larger, and larger
// ratios are found sooner.
func TestFindsTheRatio(t *testing.T) {
	for _, c := range []struct {
		ratio, noise float64
		within       int // blocks
	}{{100, 0.1, 9}, {2, 0.1, 9}, {1.3, 0.05, 9}, {0.8, 0.05, 10}, {1.05, 0.03, 24}} {
		t.Run(fmt.Sprint(c.ratio), func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			pairs := blocksOf(random, c.within, c.noise, c.ratio)
			e := compareByChance(effectsOf(pairs, logRatio))
			if e.p > alpha/5 || e.low <= 0 && e.high >= 0 || math.Abs(e.mid-math.Log(c.ratio)) > c.noise {
				t.Errorf("%+v after %d blocks", e, c.within)
			}
		})
	}
}

func TestFewBlocks(t *testing.T) {
	e := compareByChance(effectsOf([]pair{{[]float64{100}, []float64{50}}, {[]float64{100}, []float64{60}}}, logRatio))
	if e.interval || !math.IsNaN(e.p) || e.low != math.Log(0.5) || e.high != math.Log(0.6) {
		t.Errorf("%+v", e)
	}
	for name, pairs := range map[string][]pair{"none": nil, "a zero": {{[]float64{0}, []float64{1}}}, "one side": {{nil, []float64{1}}}} {
		if effects := effectsOf(pairs, logRatio); len(effects) > 0 {
			t.Errorf("%s: %v", name, effects)
		}
	}
}

// TestFewestBlocks: minEffects effects give enough evidence against a distant centre, and
// one fewer does not.
func TestFewestBlocks(t *testing.T) {
	same := func(n int) []float64 {
		effects := make([]float64, n)
		for i := range effects {
			effects[i] = 1 + 0.01*float64(i%3)
		}
		return effects
	}
	if limit := -math.Log(1 - confidence); evidence(same(minEffects), 1000) < limit || evidence(same(minEffects-1), 1000) >= limit {
		t.Errorf("evidence of %d blocks %g, of one fewer %g, limit %g", minEffects, evidence(same(minEffects), 1000), evidence(same(minEffects-1), 1000), limit)
	}
	e := compareByChance([]float64{1, 1, 1, 1, 1, 1, 1})
	if e.low != 1 || e.high != 1 || e.p > alpha {
		t.Errorf("all the same: %+v", e)
	}
	if e := compareByChance(make([]float64, 20)); e.low != 0 || e.high != 0 || e.p != 1 {
		t.Errorf("no difference at all: %+v", e)
	}
	if p := compareByChance([]float64{1, -1, 1, -1, 1, -1, 1, -1}).p; p < 0.5 {
		t.Errorf("balanced: p %g", p)
	}
}

// TestPhases: the variance between trials in virtual time is small, so one block decides,
// unless the variance is large.
func TestPhases(t *testing.T) {
	block := func(a1, a2, b1, b2 float64) pair { return pair{[]float64{a1, a2}, []float64{b1, b2}} }
	estimate := func(pairs ...pair) estimate { return compareByPhase(pairs, effectsOf(pairs, logRatio), logRatio) }
	if e := estimate(block(1000, 1000.5, 1020, 1020.5)); e.p > alpha/5 || e.low < 0.01 || e.high > 0.03 {
		t.Errorf("2 %% in one block: %+v", e)
	}
	if e := estimate(block(1000, 1000, 1000, 1000)); e.p != 1 || e.low != 0 || e.high != 0 {
		t.Errorf("none: %+v", e)
	}
	if e := estimate(block(1000, 1000, 1001, 1001)); e.p != 0 || e.low != e.high {
		t.Errorf("it repeats: %+v", e)
	}
	if e := estimate(block(1000, 1100, 1020, 1130)); e.p < alpha || e.low > 0 {
		t.Errorf("phases hide it: %+v", e)
	}
	if e := estimate(block(1000, 1001, 1030, 1031), block(1000, 1001, 980, 981)); e.p < alpha {
		t.Errorf("blocks do not agree: %+v", e)
	}
	one, more := estimate(block(1000, 1010, 1050, 1060)), estimate(block(1000, 1010, 1050, 1060), block(1010, 1000, 1060, 1050), block(1000, 1010, 1060, 1050))
	if more.high-more.low >= one.high-one.low {
		t.Errorf("more blocks do not help: %+v, %+v", one, more)
	}
}

// TestStudent compares with the usual tables.
func TestStudent(t *testing.T) {
	for _, c := range []struct {
		degrees int
		tail, t float64
	}{{2, 0.025, 4.303}, {4, 0.025, 2.776}, {10, 0.005, 3.169}, {30, 0.05, 1.697}} {
		if got := studentQuantile(c.tail, c.degrees); math.Abs(got-c.t) > 0.001 {
			t.Errorf("%d degrees, %g: %.3f, want %.3f", c.degrees, c.tail, got, c.t)
		}
	}
}

func TestHolm(t *testing.T) {
	got := holm([]float64{0.01, math.NaN(), 0.04, 0.03, 0.9})
	want := []float64{0.04, math.NaN(), 0.09, 0.09, 0.9}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 || math.IsNaN(got[i]) != math.IsNaN(want[i]) {
			t.Errorf("got %v, want %v", got, want)
			break
		}
	}
}

func TestMoreBlocks(t *testing.T) {
	if n := moreEffects(estimate{low: -0.2, high: 0.2, interval: true, effects: 8, p: 1}, 0.1); n != 32 {
		t.Errorf("half as wide takes %d blocks, want 32", n)
	}
	if n := moreEffects(estimate{low: -0.02, high: 0.2, interval: true, effects: 8, p: 0.1001}, 0.01); n != 17 {
		t.Errorf("twice the evidence takes %d blocks, want 17", n)
	}
	for _, e := range []estimate{{}, {low: -1e9, high: 1e9, interval: true, effects: 8, p: 1}} {
		if n := moreEffects(e, 0.01); n != 0 {
			t.Errorf("%+v: %d", e, n)
		}
	}
}
