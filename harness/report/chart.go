// SPDX-License-Identifier: MIT

package report

import "math"

// figure is a chart: lines and dots over two axes that the ticks define.
type figure struct {
	title, x, y    string
	series         []series
	xTicks, yTicks []tick
}

// series is points joined by a line. Its number selects colour and dashes, so that series
// are distinguishable without colour.
type series struct {
	name   string
	x, y   []float64
	number int
	alone  bool   // dots without a line, with the mark beside each
	mark   string // of a line: the name at its end; empty: none
}

// seriesInks is the number of series with distinct colours: the classes s0, s1 and so on
// of the style sheet.
const seriesInks = 8

// join replaces the marks of overlapping dots by one with all names.
func (f *figure) join() {
	x, y := f.extent()
	for i := range f.series {
		for j := range i {
			a, b := &f.series[j], &f.series[i]
			near := math.Abs(a.x[0]-b.x[0]) < 0.06*(x[1]-x[0]) && math.Abs(a.y[0]-b.y[0]) < 0.06*(y[1]-y[0])
			if a.mark != "" && near {
				a.mark, b.mark = a.mark+", "+b.mark, ""
				break
			}
		}
	}
}

// extent is the range of the points and the ticks.
func (f *figure) extent() (x, y [2]float64) {
	x, y = [2]float64{math.Inf(1), math.Inf(-1)}, [2]float64{math.Inf(1), math.Inf(-1)}
	grow := func(r *[2]float64, v float64) { r[0], r[1] = min(r[0], v), max(r[1], v) }
	for _, s := range f.series {
		for i := range s.x {
			grow(&x, s.x[i])
			grow(&y, s.y[i])
		}
	}
	for _, t := range f.xTicks {
		grow(&x, t.at)
	}
	for _, t := range f.yTicks {
		grow(&y, t.at)
	}
	return x, y
}
