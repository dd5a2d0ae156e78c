// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

//go:embed chart.tmpl
var chartText string

// chartTemplate escapes all text. Colours, dashes and fonts are the style sheet's.
var chartTemplate = template.Must(template.New("chart").Parse(chartText))

// Layout of a chart in units of its own, which the page scales. The font's size is
// that of the class chart in the style sheet.
const (
	chartWidth  = 760
	chartHeight = 340
	fontSize    = 13
	charWidth   = 0.58 * fontSize // of a digit or a small letter, on average and a bit more
	marginTop   = 34              // the name of the y axis is in it
	marginRight = 26
	marginBelow = 44
	gap         = 8 // between an axis, or a point, and its label
	mostDots    = 40
)

// drawing is what the template of a chart shows, in its units.
type drawing struct {
	Width, Height            int
	Title, Description, X, Y string
	Left, Right, Top, Bottom float64 // of the area with the lines
	XTicks, YTicks           []drawnTick
	Lines                    []drawnLine
	Marks                    []drawnMark
}

type drawnTick struct {
	At, Label float64 // where its line is, and the base of its text
	Text      string  // empty where there is no room
}

type drawnLine struct {
	Number int
	Path   string
	Dots   [][2]float64
	Radius float64
}

type drawnMark struct {
	At   [2]float64
	Text string
}

// svg draws the chart, or returns "" if there is nothing to draw. The page must include
// the style sheet.
func (f *figure) svg() template.HTML {
	if len(f.series) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := chartTemplate.Execute(&b, f.drawing()); err != nil {
		panic(err) // writes to a buffer do not fail, and the template is embedded
	}
	return template.HTML(b.String())
}

// file is the chart as a separate file, with the chart part of the page's style sheet.
func (f *figure) file() []byte {
	style, _, _ := strings.Cut(pageStyle, "* {")
	return []byte(strings.Replace(string(f.svg()), "<title>", "<style>\n"+strings.TrimSpace(style)+"\nsvg { font-family: sans-serif; }\n</style><title>", 1) + "\n")
}

func (f *figure) drawing() *drawing {
	d := &drawing{
		Width: chartWidth, Height: chartHeight, Title: f.title, Description: f.description(), X: f.x, Y: f.y,
		Left: 2*gap + f.widest(f.yTicks), Right: chartWidth - marginRight - f.endMarks(), Top: marginTop, Bottom: chartHeight - marginBelow,
	}
	xs, ys := f.extent()
	x := scale(xs, d.Left, d.Right)
	y := scale(ys, d.Bottom, d.Top)
	d.XTicks, d.YTicks = d.xTicks(f.xTicks, x), d.yTicks(f.yTicks, y)
	for _, s := range f.series {
		line := drawnLine{Number: s.number % seriesInks, Radius: 3.5}
		var path strings.Builder
		for i := range s.x {
			at := [2]float64{x(s.x[i]), y(s.y[i])}
			line.Dots = append(line.Dots, at)
			fmt.Fprintf(&path, "%c%g %g", "ML"[min(i, 1)], at[0], at[1])
		}
		if s.alone {
			line.Radius = 5.5
		} else {
			line.Path = path.String()
		}
		d.Marks = append(d.Marks, d.marks(&s, &line)...)
		if !s.alone && len(line.Dots) > mostDots {
			line.Dots = nil // they would hide the dashes
		}
		d.Lines = append(d.Lines, line)
	}
	d.spread()
	return d
}

// scale maps a value of an axis to a position, to a tenth of a unit.
func scale(span [2]float64, from, to float64) func(float64) float64 {
	length := span[1] - span[0]
	if !(length > 0) {
		length = 1
	}
	return func(v float64) float64 { return math.Round(10*(from+(v-span[0])/length*(to-from))) / 10 }
}

func width(text string) float64 { return charWidth * float64(len([]rune(text))) }

func (f *figure) widest(ticks []tick) float64 {
	most := 0.0
	for _, t := range ticks {
		most = max(most, width(t.label))
	}
	return math.Ceil(most)
}

// endMarks is the width on the right that the names of lines and of the last dots take.
func (f *figure) endMarks() float64 {
	most := 0.0
	for _, s := range f.series {
		if s.mark != "" {
			most = max(most, width(s.mark)+gap-marginRight/2)
		}
	}
	return math.Ceil(most)
}

// xTicks omits labels that would overlap, but never the last.
func (d *drawing) xTicks(ticks []tick, x func(float64) float64) []drawnTick {
	all := make([]drawnTick, len(ticks))
	right := math.Inf(1) // where the label after it begins
	for i, t := range slices.Backward(ticks) {
		all[i] = drawnTick{At: x(t.at), Label: d.Bottom + gap + fontSize}
		if half := width(t.label) / 2; all[i].At+half+gap <= right {
			all[i].Text, right = t.label, all[i].At-half
		}
	}
	return all
}

func (d *drawing) yTicks(ticks []tick, y func(float64) float64) []drawnTick {
	var all []drawnTick
	for _, t := range ticks {
		at := y(t.at)
		all = append(all, drawnTick{At: at, Label: at + 0.35*fontSize, Text: t.label})
	}
	return all
}

// marks are the names of dots, or that of a line beside its end.
func (d *drawing) marks(s *series, line *drawnLine) []drawnMark {
	if s.mark == "" || len(line.Dots) == 0 {
		return nil
	}
	dots := line.Dots
	if !s.alone {
		dots = dots[len(dots)-1:]
	}
	var all []drawnMark
	for _, at := range dots {
		all = append(all, drawnMark{At: [2]float64{at[0] + line.Radius + gap/2, at[1] + 0.35*fontSize}, Text: s.mark})
	}
	return all
}

// spread separates overlapping names at the ends of lines.
func (d *drawing) spread() {
	slices.SortStableFunc(d.Marks, func(a, b drawnMark) int { return cmp.Compare(a.At[1], b.At[1]) })
	for i := 1; i < len(d.Marks); i++ {
		if above, m := &d.Marks[i-1], &d.Marks[i]; above.At[0] == m.At[0] && m.At[1] < above.At[1]+fontSize {
			m.At[1] = above.At[1] + fontSize
		}
	}
}

// description describes the chart for screen readers: the axes, their ends and the
// series. The figures are in the table beside the chart.
func (f *figure) description() string {
	axis := func(name string, ticks []tick) string {
		if len(ticks) == 0 {
			return name
		}
		return fmt.Sprintf("%s from %s to %s", name, ticks[0].label, ticks[len(ticks)-1].label)
	}
	names := make([]string, len(f.series))
	for i, s := range f.series {
		names[i] = s.name
	}
	return fmt.Sprintf("Across: %s. Up: %s. Shown: %s.", axis(f.x, f.xTicks), axis(f.y, f.yTicks), strings.Join(names, "; "))
}
