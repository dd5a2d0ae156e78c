// SPDX-License-Identifier: MIT

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/problem"
)

//go:embed report.tmpl
var pageText string

//go:embed report.css
var pageStyle string

// pageTemplate escapes all text, since it comes from kernels, plans and result files.
var pageTemplate = template.Must(template.Must(template.New("report").Parse(flameText)).Parse(pageText))

// page is what the template shows.
type page struct {
	Style          template.CSS
	Measured       string
	Complete       bool
	Wrong          []string // the worst first
	Claims         []claimTable
	Answers        []answerText
	Matrix         matrixText
	Open           []string // undecided comparisons, and what would decide them
	Arrangements   []drawn
	Shared         []drawn
	NotShared      string // why there is none
	Map            heatMap
	Sweeps         []drawn
	Policies       []drawn
	Trends         []drawn
	Profiles       []profiled
	ProfilesMore   int // configurations with profiles that are left out
	Latencies      []drawn
	Undrawn        int // configurations whose latencies are not drawn
	Problems       []unmeasuredRow
	Configurations []details
	Machines       []string
	Emulated       bool
	Virtual        bool
}

// answerText is the answer for a kernel.
type answerText struct {
	Kernel, Use, Count string
	Reasons            []string
}

// matrixText is the matrix. Each cell has a class and a mark with the same meaning.
type matrixText struct {
	Over    string
	Columns []column
	Rows    []matrixRow
	A, B    string // names of the sides
	Turned  bool   // transposed, as there are more columns than a page has room for
	Legend  []string
}

type matrixRow struct {
	Kernel, Use string
	Cells       []matrixCell
}

// heatMap is the ratios of all configurations: kernels by metrics.
type heatMap struct {
	Head   []string
	Groups []heatGroup
}

// heatGroup is one configuration.
type heatGroup struct {
	Title string
	Rows  []heatRow
}

type heatRow struct {
	Kernel string
	Cells  []heatCell
}

// heatCell has a class for its colour, and a mark with the same meaning.
type heatCell struct{ Class, Mark, Text string }

// unmeasuredRow is trials that are not ok.
type unmeasuredRow struct {
	Where, Status, Count, Text, Trials string
}

// details is the full section of a configuration.
type details struct {
	Title, Kernel string
	Lines         []string
	A, B, Over    string
	Rows          []line
	Notes         []string
	Command       string
}

// HTML writes a self-contained page, without network, script or font. It follows the
// reader's light or dark scheme. Shape or text repeats whatever colour shows.
func HTML(w io.Writer, r *Results) error {
	comparisons := r.Comparisons
	p := page{Style: template.CSS(pageStyle), Measured: measuredLine(comparisons), Complete: len(problem.Errors(r.Problems)) == 0}
	for _, one := range r.Problems {
		p.Wrong = append(p.Wrong, clean(one.String()))
	}
	p.Claims = claimTables(comparisons)
	answers := verdict.Answers(withoutClaims(comparisons))
	for i := range answers {
		a := &answers[i]
		words := say(a)
		p.Answers = append(p.Answers, answerText{a.Kernel.Want, words.Use, fmt.Sprintf("%d of %d trials measured", a.Measured, a.Planned), capitals(words.Reasons)})
		for _, text := range words.Open {
			p.Open = append(p.Open, a.Kernel.Want+", "+strings.TrimPrefix(text, "undecided, "))
		}
	}
	p.Matrix = matrixTextOf(answers)
	p.Arrangements = arrangements(comparisons)
	p.Shared, p.NotShared = shared(r.Trials)
	p.Map = heatMapOf(comparisons)
	p.Sweeps, p.Policies, p.Trends = new(artist).sweeps(comparisons), new(artist).policies(comparisons), new(artist).trends(comparisons)
	if p.Profiles, p.ProfilesMore = profiles(comparisons); len(p.Profiles) > 0 {
		p.Style += template.CSS(flameStyle)
	}
	p.Latencies = new(artist).latencies(comparisons)
	have := 0
	seen := map[string]bool{}
	for i := range comparisons {
		c := &comparisons[i]
		if c.A.HasLatency() || c.B.HasLatency() {
			have++
		}
		p.Problems = append(p.Problems, notOK(c)...)
		if len(c.Rows) > 0 {
			p.Configurations = append(p.Configurations, detailsOf(c))
			p.Emulated = p.Emulated || emulatedTimes(c)
			p.Virtual = p.Virtual || c.Machine.Clock == record.Virtual
		}
		if text := kernelLine(c) + ": " + machineLine(c); !seen[text] {
			seen[text] = true
			p.Machines = append(p.Machines, text)
		}
	}
	p.Undrawn = have - len(p.Latencies)
	if err := pageTemplate.Execute(w, &p); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}

func matrixTextOf(answers []verdict.Answer) matrixText {
	m := matrixOf(answers)
	text := matrixText{Over: m.Over, Columns: m.Columns, Turned: m.turned(), Legend: m.legend(answers)}
	text.B, text.A = m.sides()
	for i, kernel := range m.Kernels {
		row := matrixRow{Kernel: kernel, Use: m.Use[i]}
		for _, c := range m.Columns {
			row.Cells = append(row.Cells, c.Cells[i])
		}
		text.Rows = append(text.Rows, row)
	}
	return text
}

// heatMapOf returns a group for each configuration, in the order of the comparisons.
func heatMapOf(comparisons []verdict.Comparison) heatMap {
	var h heatMap
	metrics := shown(comparisons)
	for _, m := range metrics {
		h.Head = append(h.Head, m.Name)
	}
	index := map[string]int{}
	for i := range comparisons {
		c := &comparisons[i]
		if len(c.Rows) == 0 {
			continue
		}
		title := fmt.Sprintf("%s, %d bytes: B is %s, A is %s", planName(c), c.A.Cell.PayloadBytes, c.B.Configuration(), c.A.Configuration())
		at, ok := index[title]
		if !ok {
			at = len(h.Groups)
			index[title] = at
			h.Groups = append(h.Groups, heatGroup{Title: title})
		}
		row := heatRow{Kernel: kernelName(c)}
		for _, m := range metrics {
			row.Cells = append(row.Cells, heatCellOf(c.Row(m.Slug)))
		}
		h.Groups[at].Rows = append(h.Groups[at].Rows, row)
	}
	return h
}

func heatCellOf(row *verdict.Row) heatCell {
	if row == nil || math.IsNaN(row.Ratio) && row.Why == "" {
		return heatCell{}
	}
	text := ratio(row)
	switch row.Verdict {
	case verdict.ABetter:
		return heatCell{"a" + strength(row), "▲ A", text}
	case verdict.BBetter:
		return heatCell{"b" + strength(row), "▼ B", text}
	case verdict.Equivalent, verdict.Trivial:
		return heatCell{"e", "=", text}
	case verdict.Inconclusive:
		return heatCell{"q", "?", text}
	}
	return heatCell{"n", "–", ""}
}

// strength is 2 for a factor of 1.5 or more, which is coloured more deeply.
func strength(row *verdict.Row) string {
	if row.Metric.Absolute && math.Abs(row.Ratio) >= 0.01 || !row.Metric.Absolute && math.Abs(math.Log(row.Ratio)) >= math.Log(1.5) {
		return "2"
	}
	return "1"
}

func notOK(c *verdict.Comparison) []unmeasuredRow {
	var all []unmeasuredRow
	where := kernelName(c) + ", " + planName(c)
	for _, reason := range c.Reasons {
		ids := reason.Trials
		more := ""
		if len(ids) > 8 {
			ids, more = ids[:8], fmt.Sprintf(" and %d more", len(ids)-8)
		}
		all = append(all, unmeasuredRow{where, string(reason.Status), plural(len(reason.Trials), "trial"), clean(reason.Text), strings.Join(ids, ", ") + more})
	}
	if missing := c.Planned - c.Measured() - badTrials(c); missing > 0 {
		all = append(all, unmeasuredRow{Where: where, Status: "missing", Count: plural(missing, "trial"), Text: "no record: the run ended before"})
	}
	return all
}

func badTrials(c *verdict.Comparison) int {
	n := 0
	for _, reason := range c.Reasons {
		n += len(reason.Trials)
	}
	return n
}

// clean removes terminal control characters, which a browser shows as boxes.
func clean(text string) string { return strings.Map(harmless, text) }

func detailsOf(c *verdict.Comparison) details {
	return details{
		Title: title(c), Kernel: kernelLine(c), Lines: configLines(c), A: head(&c.A), B: head(&c.B), Over: over(c), Rows: lines(c),
		Notes: append(notes(c), statusLine(c)), Command: repeat(c),
	}
}

// quoted is a word of a shell's command line.
func quoted(text string) string {
	plain := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:+@%=", r)
	}) < 0
	if plain {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
