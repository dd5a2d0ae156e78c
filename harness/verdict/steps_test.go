// SPDX-License-Identifier: MIT

package verdict

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSteps: every step of either series is found, and few kernels are tested.
func TestSteps(t *testing.T) {
	flat := func(n int, at map[int]float64) []float64 {
		v, x := make([]float64, n), 100.0
		for i := range v {
			if to, ok := at[i]; ok {
				x = to
			}
			v[i] = x
		}
		return v
	}
	for name, c := range map[string]struct {
		series [][]float64
		want   []Step
		looks  int // at most
	}{
		"none":               {[][]float64{flat(100, nil)}, nil, 3},
		"within tolerance":   {[][]float64{flat(100, map[int]float64{50: 100.9})}, nil, 3},
		"one":                {[][]float64{flat(100, map[int]float64{37: 110})}, []Step{{0, 37, 100, 110}}, 10},
		"at the second":      {[][]float64{flat(100, map[int]float64{1: 90})}, []Step{{0, 1, 100, 90}}, 10},
		"at the last":        {[][]float64{flat(100, map[int]float64{99: 90})}, []Step{{0, 99, 100, 90}}, 10},
		"up, down and up":    {[][]float64{flat(11, map[int]float64{1: 109, 2: 102, 3: 105})}, []Step{{0, 1, 100, 109}, {0, 2, 109, 102}, {0, 3, 102, 105}}, 6},
		"up and down again":  {[][]float64{flat(64, map[int]float64{20: 120, 50: 100})}, []Step{{0, 20, 100, 120}, {0, 50, 120, 100}}, 15},
		"of the other":       {[][]float64{flat(8, nil), flat(8, map[int]float64{5: 50})}, []Step{{1, 5, 100, 50}}, 5},
		"both, the same one": {[][]float64{flat(8, map[int]float64{5: 80}), flat(8, map[int]float64{5: 50})}, []Step{{0, 5, 100, 80}, {1, 5, 100, 50}}, 5},
		"two kernels":        {[][]float64{{1, 2}}, []Step{{0, 1, 1, 2}}, 2},
		"a figure is gone":   {[][]float64{{1, 1, math.Inf(1), math.Inf(1)}}, []Step{{0, 2, 1, math.Inf(1)}}, 4},
	} {
		looks := map[int]int{}
		got, err := Steps(len(c.series[0]), 0.01, func(i int) ([]float64, error) {
			looks[i]++
			var at []float64
			for _, v := range c.series {
				at = append(at, v[i])
			}
			return at, nil
		})
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, steps (-want +got):\n%s", name, err, diff)
		}
		if len(looks) > c.looks {
			t.Errorf("%s: %d kernels looked at, at most %d", name, len(looks), c.looks)
		}
		for i, n := range looks {
			if n > 1 {
				t.Errorf("%s: kernel %d looked at %d times", name, i, n)
			}
		}
	}
	bad := errors.New("it does not boot")
	if _, err := Steps(5, 0.01, func(i int) ([]float64, error) { return nil, bad }); !errors.Is(err, bad) {
		t.Errorf("an error became %v", err)
	}
	if _, err := Steps(1, 0.01, nil); err == nil {
		t.Error("one kernel accepted")
	}
}

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0%": 0, "1000%": 10, "0.5%": 0.005} {
		if got, err := ParsePercent(text); err != nil || got != want {
			t.Errorf("%s: %g, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "%", "-1%", "1001%", "NaN%", "1%%"} {
		if _, err := ParsePercent(text); err == nil {
			t.Errorf("%q is not refused", text)
		}
	}
}
