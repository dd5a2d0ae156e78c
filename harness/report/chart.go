// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// figure is a chart as SVG, which a page's own colours and fonts apply to.
type figure struct {
	title, x, y    string
	series         []series
	xTicks, yTicks []tick
}

// series is points joined by a line. Its number decides on colour, dashes and
// dots, so that no two need colour to be told apart.
type series struct {
	name   string
	x, y   []float64
	number int
	alone  bool   // dots without a line, with the mark beside each
	mark   string // empty: none
}

type tick struct {
	at    float64
	label string
}

// Size of a chart in units of its own: the page scales it.
const (
	chartWidth  = 760
	chartHeight = 340
)

// ink is a colour that the page replaces: the library writes it as rgb(N,251,7).
func ink(n int) drawing.Color { return drawing.Color{R: uint8(n), G: 251, B: 7, A: 255} }

// The inks that are no series.
const (
	inkText  = 100
	inkGrid  = 101
	inkPaper = 102
)

// seriesInks is how many series have a colour of their own.
const seriesInks = 8

// dashes tell series apart without colour.
var dashes = [seriesInks][]float64{nil, {9, 5}, {2, 4}, {12, 4, 2, 4}, {5, 3}, {16, 6}, {2, 2}, {9, 3, 2, 3, 2, 3}}

// svg draws the chart, or returns nothing where there is nothing to draw.
func (f *figure) svg() template.HTML {
	chart := chartdraw.Chart{
		Width: chartWidth, Height: chartHeight, DPI: 72,
		Background: chartdraw.Style{FillColor: ink(inkPaper), StrokeColor: ink(inkPaper), Padding: chartdraw.Box{Top: 14, Left: 16, Right: 24, Bottom: 8}},
		Canvas:     chartdraw.Style{FillColor: ink(inkPaper), StrokeColor: ink(inkPaper)},
	}
	text := chartdraw.Style{FontStyle: chartdraw.FontStyle{FontColor: ink(inkText), FontSize: 12}, StrokeColor: ink(inkGrid), StrokeWidth: 1}
	grid := chartdraw.Style{StrokeColor: ink(inkGrid), StrokeWidth: 1}
	xs, ys := f.extent()
	chart.XAxis = chartdraw.XAxis{Name: f.x, NameStyle: text, Style: text, Ticks: ticksOf(f.xTicks), GridMajorStyle: grid, Range: &chartdraw.ContinuousRange{Min: xs[0], Max: xs[1]}}
	// The library's second axis is the one on the left.
	chart.YAxisSecondary = chartdraw.YAxis{Name: f.y, NameStyle: text, Style: text, Ticks: ticksOf(f.yTicks), GridMajorStyle: grid, Range: &chartdraw.ContinuousRange{Min: ys[0], Max: ys[1]}}
	chart.YAxis = chartdraw.YAxis{Style: chartdraw.Style{Hidden: true}, Range: &chartdraw.ContinuousRange{Min: 0, Max: 1}}
	for _, s := range f.series {
		color := ink(s.number % seriesInks)
		style := chartdraw.Style{StrokeColor: color, StrokeWidth: 2, StrokeDashArray: dashes[s.number%seriesInks], DotColor: color, DotWidth: 3.5}
		if s.alone {
			style.StrokeWidth, style.StrokeColor, style.DotWidth = 0, drawing.ColorTransparent, 5
			var notes []chartdraw.Value2
			for i := range s.x {
				if s.mark != "" {
					notes = append(notes, chartdraw.Value2{XValue: s.x[i], YValue: s.y[i], Label: s.mark + "  "}) // fonts differ in width
				}
			}
			chart.Series = append(chart.Series, chartdraw.AnnotationSeries{
				YAxis: chartdraw.YAxisSecondary, Annotations: notes,
				Style: chartdraw.Style{FontStyle: chartdraw.FontStyle{FontColor: ink(inkText), FontSize: 11}, FillColor: ink(inkPaper), StrokeColor: color, StrokeWidth: 1},
			})
		}
		chart.Series = append(chart.Series, chartdraw.ContinuousSeries{Name: s.name, YAxis: chartdraw.YAxisSecondary, XValues: s.x, YValues: s.y, Style: style})
	}
	var b bytes.Buffer
	if len(f.series) == 0 || chart.Render(chartdraw.SVG, &b) != nil {
		return ""
	}
	return template.HTML(f.themed(b.String()))
}

// themed lets the page choose colours and font, and gives the chart a name.
func (f *figure) themed(svg string) string {
	pairs := []string{"font-family:'Roboto Medium',sans-serif", "font-family:inherit", "\nL ", "L", ";fill:none", ";fill:none"}
	for n := range seriesInks {
		pairs = append(pairs, ink(n).StringRGB(), fmt.Sprintf("var(--s%d)", n))
	}
	pairs = append(pairs, ink(inkText).StringRGB(), "var(--text)", ink(inkGrid).StringRGB(), "var(--grid)", ink(inkPaper).StringRGB(), "var(--paper)")
	svg = strings.NewReplacer(pairs...).Replace(svg)
	return strings.Replace(svg, "<svg ", `<svg role="img" aria-label="`+template.HTMLEscapeString(f.title)+`" `, 1)
}

// join gives dots that lie on each other one mark with the names of all.
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

// extent is what the points and the ticks span.
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

func ticksOf(ticks []tick) []chartdraw.Tick {
	all := make([]chartdraw.Tick, len(ticks))
	for i, t := range ticks {
		all[i] = chartdraw.Tick{Value: t.at, Label: t.label}
	}
	return all
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
