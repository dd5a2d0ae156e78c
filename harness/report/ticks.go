// SPDX-License-Identifier: MIT

package report

import (
	"math"
	"strconv"
)

// tick is a place on an axis, in the units of the points, with its label.
type tick struct {
	at    float64
	label string
}

// decades are the ticks of a logarithmic axis that holds low to high, both above
// 0: powers of ten, and 2 and 5 between them where there are few. Their places are
// common logarithms.
func decades(low, high float64, label func(float64) string) []tick {
	from, to := math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	if from == to {
		to++
	}
	var ticks []tick
	for e := from; e <= to; e++ {
		for _, m := range []float64{1, 2, 5} {
			at := math.Log10(m) + e
			near := at >= math.Log10(low)-0.31 && at <= math.Log10(high)+0.31
			if m == 1 && (to-from > 2 || near) || m > 1 && to-from <= 2 && near {
				ticks = append(ticks, tick{at, label(m * math.Pow(10, e))})
			}
		}
	}
	return ticks
}

// linear are ticks at round values that hold low to high.
func linear(low, high float64, label func(float64) string) []tick {
	if high <= low {
		high = low + 1
	}
	step := math.Pow(10, math.Floor(math.Log10(high-low)))
	for _, m := range []float64{0.1, 0.2, 0.25, 0.5, 1, 2} {
		if (high-low)/(step*m) <= 6 {
			step *= m
			break
		}
	}
	var ticks []tick
	for at := math.Floor(low/step) * step; at < high+step*0.999; at += step {
		ticks = append(ticks, tick{at, label(at)})
	}
	return ticks
}

// number is short, for an axis.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
