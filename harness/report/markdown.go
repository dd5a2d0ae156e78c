// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/markdown"
)

// markdownBytes bounds a report: a step summary takes 1 MiB, and a job has others.
const markdownBytes = 512 << 10

// Markdown writes what is wrong, the recommendation, an overview of all configurations and
// a section for each. Sections beyond the size of a step summary are omitted, with a note:
// the HTML report has them.
func Markdown(w io.Writer, r *Results) error {
	comparisons := r.Comparisons
	var b strings.Builder
	b.WriteString(ci.Wrong(r.Problems))
	fmt.Fprintf(&b, "# Perf buffer and BPF ring buffer\n\n**%s**\n\n", measuredLine(comparisons))
	markdownClaims(&b, comparisons)
	answers := verdict.Answers(withoutClaims(comparisons))
	said := limitedTo(&b, markdownBytes/8)
	for i := range answers {
		a := &answers[i]
		s := say(a)
		said.Add(fmt.Sprintf("- **%s: %s** (%d of %d trials measured)\n", cell(a.Kernel.Want), cell(s.text()), a.Measured, a.Planned))
	}
	said.end("kernel")
	b.WriteString("\n")
	tables := arrangements(comparisons)
	markdownTables(&b, tables)
	if m := matrixOf(answers); len(m.Columns) > 0 && len(tables) == 0 {
		markdownGrid(&b, m.table())
		for _, text := range m.legend(answers) {
			fmt.Fprintf(&b, "\n%s.\n", cell(text))
		}
		b.WriteString("\n")
	}
	sharing, why := shared(r.Trials)
	markdownTables(&b, sharing)
	if why != "" {
		fmt.Fprintf(&b, "%s\n\n", cell(why))
	}
	overview(&b, comparisons)
	sections := limitedTo(&b, markdownBytes-b.Len()-200)
	for i := range comparisons {
		var one strings.Builder
		section(&one, &comparisons[i])
		sections.Add(one.String())
	}
	sections.end("configuration")
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownTables(b *strings.Builder, tables []drawn) {
	for _, table := range tables {
		fmt.Fprintf(b, "**%s**\n\n", cell(table.Title))
		markdownGrid(b, table.Table)
		b.WriteString("\n")
	}
}

func markdownGrid(b *strings.Builder, g grid) {
	for i, row := range append([][]string{g.Head}, g.Rows...) {
		for _, text := range row {
			b.WriteString("| " + cell(text) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(g.Head)) + "|\n")
		}
	}
}

// limited is text that may be left out where the document would be too long.
type limited struct{ markdown.Limited }

func limitedTo(b *strings.Builder, bytes int) *limited {
	return &limited{markdown.Limited{B: b, Left: bytes}}
}

func (l *limited) end(what string) {
	if l.Out > 0 {
		fmt.Fprintf(l.B, "\n*%s left out here to keep this short: see report.html*\n", plural(l.Out, "more "+what))
	}
}

// overview has a line a configuration on a kernel, and the ratios as columns.
func overview(b *strings.Builder, comparisons []verdict.Comparison) {
	metrics := shown(comparisons)
	b.WriteString("Ratios are B to A: below 1, B takes less.\n\n| kernel | plan | machine | trials | A | B | A delivered | B delivered |")
	for _, m := range metrics {
		fmt.Fprintf(b, " %s |", m.Name)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 8+len(metrics)) + "\n")
	lines := limitedTo(b, markdownBytes/2)
	for i := range comparisons {
		c := &comparisons[i]
		var line strings.Builder
		fmt.Fprintf(&line, "| %s | %s | %s | %s | %s | %s | %s | %s |", cell(kernelName(c)), cell(planName(c)), cell(c.Machine.Accel), cell(statusLine(c)),
			cell(c.A.Configuration()), cell(c.B.Configuration()), delivered(c.A.Total), delivered(c.B.Total))
		for _, m := range metrics {
			text := "-"
			if row := c.Row(m.Slug); row != nil {
				text = ratio(row)
			}
			fmt.Fprintf(&line, " %s |", text)
		}
		lines.Add(line.String() + "\n")
	}
	lines.end("line")
}

func section(b *strings.Builder, c *verdict.Comparison) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", cell(kernelLine(c)), cell(machineLine(c)))
	if len(c.Rows) > 0 {
		for _, line := range configLines(c) {
			fmt.Fprintf(b, "%s.\n", cell(line))
		}
		fmt.Fprintf(b, "\n| | %s | %s | %s | noise | verdict |\n| --- | --- | --- | --- | --- | --- |\n", cell(head(&c.A)), cell(head(&c.B)), cell(over(c)))
		for _, l := range lines(c) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(l.Name), cell(l.A), cell(l.B), l.Ratio, l.Noise, cell(l.Verdict))
		}
	}
	for _, note := range notes(c) {
		fmt.Fprintf(b, "\n*%s*\n", cell(note))
	}
	for _, reason := range c.Reasons {
		fmt.Fprintf(b, "\n- **%s**, %s: %s\n", reason.Status, plural(len(reason.Trials), "trial"), code(reason.Text))
	}
}

// cell escapes text that a kernel or a user chose for a table cell.
func cell(text string) string { return markdown.Escape(text) }

// code shows text as it is, in a block that it cannot end.
func code(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return "\n\n  " + fence + "\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n  " + fence
}
