// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// matrix summarizes all kernels: the answer of each, and the ratio of the sides for each
// configuration and deciding metric.
type matrix struct {
	Over    string   // what the ratios are of
	Kernels []string // in the order of the answers
	Use     []string // for each
	Columns []column
	Left    []string // values that are the same for all, and have no column
}

// column is one metric of one configuration.
type column struct {
	Configuration, Metric string
	Cells                 []matrixCell // a kernel each
}

// matrixCell has the better side, "a" or "b", or "=" for neither, "?" for undecided, and
// "" without a figure.
type matrixCell struct{ Mark, Text string }

// mostColumns is the maximum number of columns of a table with one row per kernel.
const mostColumns = 8

// matrixOf is the matrix of all answers.
func matrixOf(answers []verdict.Answer) matrix {
	var m matrix
	type place struct{ config, metric string }
	var order []place
	cells := map[place][]matrixCell{}
	configs := map[string]bool{}
	for i := range answers {
		a := &answers[i]
		s := say(a)
		m.Kernels, m.Use = append(m.Kernels, a.Kernel.Want), append(m.Use, short(a, &s))
		for n := range a.Cases {
			c := &a.Cases[n]
			configs[caseName(c)] = true
			if name := over(c.Comparison); m.Over == "" || m.Over == name {
				m.Over = name
			} else {
				m.Over = "B/A"
			}
			for k := range c.Rows {
				r := &c.Rows[k]
				if !r.Metric.Primary() || math.IsNaN(r.A) && math.IsNaN(r.B) {
					continue
				}
				at := place{caseName(c), r.Metric.Short}
				if cells[at] == nil {
					order = append(order, at)
					cells[at] = make([]matrixCell, len(answers))
				}
				cells[at][i] = matrixCellOf(r)
			}
		}
	}
	left := map[string][]string{} // configurations by metric
	var same []string
	for _, at := range order {
		if !slices.ContainsFunc(cells[at], func(c matrixCell) bool { return c.Mark != "=" && c.Mark != "" }) {
			if left[at.metric] == nil {
				same = append(same, at.metric)
			}
			left[at.metric] = append(left[at.metric], at.config)
			continue
		}
		m.Columns = append(m.Columns, column{at.config, at.metric, cells[at]})
	}
	for _, metric := range same {
		where := strings.Join(left[metric], ", ")
		if n := len(left[metric]); n > 1 && !slices.ContainsFunc(m.Columns, func(c column) bool { return c.Metric == metric }) {
			where = fmt.Sprintf("in all %d configurations", n)
		}
		m.Left = append(m.Left, metric+" ("+where+")")
	}
	return m
}

// short is the recommendation in a word or two.
func short(a *verdict.Answer, s *said) string {
	switch {
	case len(a.Cases) == 0:
		return unmeasured(a)
	case a.Transport() != "":
		return a.Transport().Spec().Title
	}
	use, _, _ := strings.Cut(s.Use, ":")
	return use
}

func matrixCellOf(r *verdict.Row) matrixCell {
	text := ratio1(r)
	if r.Metric.Absolute { // a difference shows less than both
		text = value(r.Metric.Unit, r.B) + " : " + value(r.Metric.Unit, r.A)
	}
	switch r.Verdict {
	case verdict.ABetter:
		return matrixCell{"a", text}
	case verdict.BBetter:
		return matrixCell{"b", text}
	case verdict.Equivalent, verdict.Trivial:
		return matrixCell{"=", "same"}
	case verdict.Inconclusive:
		return matrixCell{"?", "undecided"}
	}
	return matrixCell{"", "-"}
}

// ratio1 is the ratio alone.
func ratio1(r *verdict.Row) string {
	if math.IsNaN(r.Ratio) {
		return "-"
	}
	return fmt.Sprintf("%.2f", r.Ratio)
}

// sides are the names of numerator and denominator.
func (m *matrix) sides() (of, by string) {
	of, by, _ = strings.Cut(m.Over, "/")
	name := func(side string) string {
		for _, t := range vocab.TransportSpecs() {
			if t.Short == side {
				return t.Title
			}
		}
		return side
	}
	return name(of), name(by)
}

// turned reports whether the table is transposed, with a column per kernel: a row has no
// room for all configurations, and there are fewer kernels.
func (m *matrix) turned() bool {
	return len(m.Columns) > max(mostColumns, len(m.Kernels))
}

// table is the matrix as text: a row per kernel, or transposed.
func (m *matrix) table() grid {
	cell := func(c matrixCell) string { return c.Text }
	if m.turned() {
		g := grid{Head: []string{m.Over, ""}}
		g.Head = append(g.Head, m.Kernels...)
		g.Rows = append(g.Rows, append([]string{"use", ""}, m.Use...))
		for _, c := range m.Columns {
			row := []string{c.Configuration, c.Metric}
			for _, x := range c.Cells {
				row = append(row, cell(x))
			}
			g.Rows = append(g.Rows, row)
		}
		return g
	}
	g := grid{Head: []string{m.Over, ""}}
	second := []string{"kernel", "use"}
	last := ""
	for _, c := range m.Columns {
		name := c.Configuration
		if name == last {
			name = "" // once for all its metrics
		}
		last = c.Configuration
		g.Head, second = append(g.Head, name), append(second, c.Metric)
	}
	g.Rows = append(g.Rows, second)
	for i, kernel := range m.Kernels {
		row := []string{kernel, m.Use[i]}
		for _, c := range m.Columns {
			row = append(row, cell(c.Cells[i]))
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// legend explains the figures.
func (m *matrix) legend(answers []verdict.Answer) []string {
	var all []string
	clocks := map[string]bool{}
	for _, a := range answers {
		for _, c := range a.Cases {
			clocks[c.Machine.Clock] = true
		}
	}
	if clocks[record.Virtual] {
		all = append(all, "program, reader: what an event costs either, in instructions in virtual time on one CPU; they repeat exactly, and are no times")
	}
	if slices.ContainsFunc(m.Columns, func(c column) bool {
		return slices.ContainsFunc(c.Cells, func(x matrixCell) bool { return strings.Contains(x.Text, " : ") })
	}) {
		all = append(all, "x : y: the figures of both, in the order of "+m.Over)
	}
	if len(m.Left) > 0 {
		text := "no difference"
		if len(m.Kernels) > 1 {
			text += " on any kernel"
		}
		all = append(all, text+": "+strings.Join(m.Left, "; "))
	}
	return all
}
