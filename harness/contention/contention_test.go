// SPDX-License-Identifier: MIT

package contention

import (
	"math"
	"testing"
)

var (
	alone  = Demand{Instructions: 200, Held: 50, Locks: 1}
	shared = Demand{Instructions: 200, Held: 50, Transfers: 4, HeldTransfers: 3, Locks: 1}
)

// TestRate: the limits of what producers can do together.
func TestRate(t *testing.T) {
	m := Machine{InstructionNS: 0.25, NearNS: 50, FarNS: 50}
	near := func(got, want float64) {
		t.Helper()
		if math.Abs(got/want-1) > 1e-3 {
			t.Errorf("rate %g, want %g", got, want)
		}
	}
	near(m.Rate(alone, shared, 1), 1e9/50)
	// One that was alone would be limited by its own time, many by that under the lock.
	near(m.Rate(alone, shared, 1000), 1e9/(50*0.25+3*50))
	near(m.Rate(alone, alone, 1000), 1e9/(50*0.25))
	none := Demand{Instructions: 200}
	near(m.Rate(none, none, 7), 7*1e9/50) // nothing is shared
}

// TestNear: how many pairs of producers share a complex.
func TestNear(t *testing.T) {
	m := Machine{Cores: 16, Complex: 8}
	// The reader has CPU 0. CPU 8 is the first of the other complex, and 16 a second thread
	// of the first one's core.
	for producers, want := range map[int]float64{1: 1, 2: 1, 7: 1, 8: 42.0 / 56, 15: (7*6 + 8*7) / (15.0 * 14), 16: (8*7 + 8*7) / (16.0 * 15)} {
		if got := m.near(producers); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d producers: %g, want %g", producers, got, want)
		}
	}
}

// TestFit: the times that made the points are found again.
func TestFit(t *testing.T) {
	made := Machine{Cores: 64, Complex: 8, InstructionNS: 0.2, NearNS: 25, FarNS: 110}
	var points []Point
	for _, n := range PublishedProducers() {
		points = append(points, Point{n, made.Rate(alone, shared, n)})
	}
	got := Machine{Cores: 64, Complex: 8}
	if err := got.Fit(alone, shared, points); err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if e := got.Error(alone, shared, p); math.Abs(e) > 0.02 {
			t.Errorf("%d producers: error %g", p.Producers, e)
		}
	}
	for _, pair := range [][2]float64{{got.InstructionNS, 0.2}, {got.NearNS, 25}, {got.FarNS, 110}} {
		if math.Abs(pair[0]/pair[1]-1) > 0.03 {
			t.Errorf("fitted %+v, want %+v", got, made)
		}
	}
}

// TestNoFit: points that no machine can be fitted to.
func TestNoFit(t *testing.T) {
	for name, points := range map[string][]Point{
		"none":        nil,
		"one alone":   {{1, 1e6}},
		"several":     {{2, 1e6}, {4, 1e6}},
		"no rate":     {{1, 1e6}, {2, 0}},
		"no number":   {{1, 1e6}, {2, math.NaN()}},
		"no producer": {{0, 1e6}, {1, 1e6}, {2, 1e6}},
	} {
		if err := new(Machine).Fit(alone, shared, points); err == nil {
			t.Errorf("%s: fitted", name)
		}
	}
	if err := new(Machine).Fit(Demand{}, shared, []Point{{1, 1e6}, {2, 1e6}}); err == nil {
		t.Error("no instructions: fitted")
	}
}

func TestPublished(t *testing.T) {
	for _, p := range AllPublished() {
		if len(p.Rates) != len(PublishedProducers()) {
			t.Errorf("%s: %d rates", p.Name, len(p.Rates))
			continue
		}
		m, err := p.Fitted(alone, shared)
		if err != nil {
			t.Fatal(err)
		}
		if m.NearNS <= 1 || m.FarNS >= 999 || m.FarNS < m.NearNS {
			t.Errorf("%s: %+v", p.Name, m)
		}
	}
}
