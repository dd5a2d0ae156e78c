package verdict

import (
	"math"
	"math/rand/v2"
	"testing"
)

// noisy makes blocks of two trials a side: a machine drifts from block to block,
// a trial by noise, and b is ratio times a.
func noisy(random *rand.Rand, blocks int, noise, ratio float64) []pair {
	pairs := make([]pair, blocks)
	for i := range pairs {
		machine := math.Exp(random.NormFloat64())
		trial := func(factor float64) float64 { return 1000 * machine * factor * math.Exp(noise*random.NormFloat64()) }
		pairs[i] = pair{[]float64{trial(1), trial(1)}, []float64{trial(ratio), trial(ratio)}}
	}
	return pairs
}

// TestIntervalCovers: the interval holds the true ratio nearly as often as it
// says, and p is small no more often than it says.
func TestIntervalCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs, blocks = 400, 12
	covered, alarms := 0, 0
	for i := range runs {
		e, ok := compare(noisy(random, blocks, 0.05, 1), logRatio, uint64(i))
		if !ok {
			t.Fatal("no estimate")
		}
		if e.low <= 0 && e.high >= 0 {
			covered++
		}
		if e.p < 0.05 {
			alarms++
		}
	}
	// A binomial of 400 at 0.95 is below 0.91 once in 2000 times.
	if got := float64(covered) / runs; got < 0.91 {
		t.Errorf("the interval covers in %.3f of the runs, want 0.95", got)
	}
	if got := float64(alarms) / runs; got > 0.09 {
		t.Errorf("p is below 0.05 in %.3f of the runs without a difference", got)
	}
}

// TestFindsTheRatio in noise that is larger than it from block to block.
func TestFindsTheRatio(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	e, ok := compare(noisy(random, 20, 0.02, 0.8), logRatio, 1)
	if !ok || math.Abs(math.Exp(e.mid)-0.8) > 0.02 || e.high >= 0 || e.p > 1e-3 || e.blocks != 20 {
		t.Errorf("%+v, %v", e, ok)
	}
	again, _ := compare(noisy(rand.New(rand.NewPCG(3, 4)), 20, 0.02, 0.8), logRatio, 1)
	if again != e {
		t.Errorf("the same seed gave %+v and %+v", e, again)
	}
}

func TestFewBlocks(t *testing.T) {
	e, ok := compare([]pair{{[]float64{100}, []float64{50}}, {[]float64{100}, []float64{60}}}, logRatio, 1)
	if !ok || !math.IsNaN(e.p) || e.low != math.Log(0.5) || e.high != math.Log(0.6) {
		t.Errorf("%+v, %v", e, ok)
	}
	for name, pairs := range map[string][]pair{"none": nil, "a zero": {{[]float64{0}, []float64{1}}}, "one side": {{nil, []float64{1}}}} {
		if e, ok := compare(pairs, logRatio, 1); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestSignFlip(t *testing.T) {
	// All of one sign: only this and the opposite are as far.
	if p := signFlip([]float64{1, 2, 3, 1, 2, 3}); p != 2.0/64 {
		t.Errorf("p %g", p)
	}
	if p := signFlip([]float64{0, 0, 0}); p != 1 {
		t.Errorf("no difference at all: p %g", p)
	}
	if p := signFlip([]float64{1, -1, 1, -1}); p != 1 {
		t.Errorf("balanced: p %g", p)
	}
	long := make([]float64, 40)
	for i := range long {
		long[i] = 1
	}
	if p := signFlip(long); p <= 0 || p > 1e-4 {
		t.Errorf("many: p %g", p)
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
	if n := moreBlocks(estimate{low: -0.2, high: 0.2, blocks: 6}, 0.1); n != 24 {
		t.Errorf("half as wide takes %d blocks, want 24", n)
	}
	for _, e := range []estimate{{}, {blocks: minBlocks}, {low: -1e9, high: 1e9, blocks: 6}} {
		if n := moreBlocks(e, 0.01); n != 0 {
			t.Errorf("%+v: %d", e, n)
		}
	}
}
