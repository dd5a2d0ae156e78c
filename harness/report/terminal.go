// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Terminal writes a summary of all comparisons as text of fixed width: what is wrong, an
// answer for each kernel, one table, and deviations from the plan; with details every
// comparison too.
func Terminal(w io.Writer, r *Results, details bool) error {
	comparisons := r.Comparisons
	var b strings.Builder
	terminalWrong(&b, r.Problems)
	terminalClaims(&b, comparisons)
	answers := verdict.Answers(withoutClaims(comparisons))
	for i := range answers {
		s := say(&answers[i])
		wrap(&b, answers[i].Kernel.Want+": "+s.text())
		b.WriteString("\n")
	}
	tables := arrangements(comparisons)
	for _, table := range tables {
		fmt.Fprintf(&b, "%s\n", table.Title)
		terminalGrid(&b, table.Table)
		b.WriteString("\n")
	}
	m := matrixOf(answers)
	if len(m.Columns) > 0 && len(tables) == 0 {
		terminalGrid(&b, m.table())
		b.WriteString("\n")
	}
	for _, text := range m.legend(answers) {
		wrap(&b, text)
	}
	sharing, why := shared(r.Trials)
	for _, table := range sharing {
		fmt.Fprintf(&b, "\n%s\n", table.Title)
		terminalGrid(&b, table.Table)
		b.WriteString("\n")
	}
	if why != "" {
		wrap(&b, why)
	}
	fmt.Fprintf(&b, "%s\n", measuredLine(comparisons))
	if details {
		for i := range comparisons {
			terminalSection(&b, &comparisons[i])
		}
	} else {
		terminalProblems(&b, comparisons)
	}
	_, err := io.WriteString(w, strings.Map(harmless, b.String()))
	return err
}

// Kernels are those of the results, each once, in their order.
func (r *Results) Kernels() []string {
	var all []string
	for i := range r.Comparisons {
		if want := r.Comparisons[i].Kernel.Want; !slices.Contains(all, want) {
			all = append(all, want)
		}
	}
	return all
}

// Details writes every comparison of a kernel, as [Terminal] does with details.
func Details(w io.Writer, r *Results, kernel string) error {
	var b strings.Builder
	for i := range r.Comparisons {
		if c := &r.Comparisons[i]; c.Kernel.Want == kernel {
			terminalSection(&b, c)
		}
	}
	_, err := io.WriteString(w, strings.Map(harmless, b.String()))
	return err
}

// mostWrong bounds the lines of what is wrong: the worst are first.
const mostWrong = 10

// terminalWrong writes a line a problem.
func terminalWrong(b *strings.Builder, all []problem.Problem) {
	for _, p := range all[:min(len(all), mostWrong)] {
		wrap(b, p.String())
	}
	if n := len(all) - mostWrong; n > 0 {
		fmt.Fprintf(b, "%s\n", plural(n, "more problem"))
	}
	if len(all) > 0 {
		b.WriteString("\n")
	}
}

// textWidth is how wide prose is on a terminal.
const textWidth = 100

// wrap writes text in lines, those after the first indented.
func wrap(b *strings.Builder, text string) { wrapTo(b, text, textWidth) }

func wrapTo(b *strings.Builder, text string, width int) {
	at := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n  ")
			at = 2
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteString("\n")
}

func terminalGrid(b *strings.Builder, g grid) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{g.Head}, g.Rows...) {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	_ = t.Flush() // a Builder does not fail
}

// terminalProblems reports for each kernel, once, why trials were not measured.
func terminalProblems(b *strings.Builder, comparisons []verdict.Comparison) {
	kernels := map[string]*verdict.Comparison{}
	var order []string
	for i := range comparisons {
		c := &comparisons[i]
		if len(c.Reasons) == 0 {
			continue
		}
		of := kernels[c.Kernel.Want]
		if of == nil {
			of = &verdict.Comparison{Kernel: c.Kernel}
			kernels[c.Kernel.Want] = of
			order = append(order, c.Kernel.Want)
		}
		for _, r := range c.Reasons {
			of.AddReason(r)
		}
	}
	for _, want := range order {
		fmt.Fprintf(b, "\n%s\n", kernelLine(kernels[want]))
		terminalReasons(b, kernels[want].Reasons)
	}
}

func terminalReasons(b *strings.Builder, reasons []verdict.Reason) {
	for _, reason := range reasons {
		fmt.Fprintf(b, "  %s (%s): %s\n", reason.Status, plural(len(reason.Trials), "trial"), indent(reason.Text))
	}
}

// terminalSection writes one comparison.
func terminalSection(b *strings.Builder, c *verdict.Comparison) {
	fmt.Fprintf(b, "\n%s\n  %s\n", kernelLine(c), machineLine(c))
	if len(c.Rows) > 0 {
		fmt.Fprintf(b, "  %s\n\n", strings.Join(configLines(c), "\n  "))
		terminalTable(b, c)
		b.WriteString("\n")
	}
	terminalRates(b, c)
	for _, note := range notes(c) {
		fmt.Fprintf(b, "  %s\n", note)
	}
	fmt.Fprintf(b, "  trials: %s\n", statusLine(c))
	terminalReasons(b, c.Reasons)
}

// terminalRates writes what a sweep offered and what was delivered of it.
func terminalRates(b *strings.Builder, c *verdict.Comparison) {
	for _, s := range c.Sides() {
		if s.Knee == nil {
			continue
		}
		var parts []string
		for i := range s.Knee.Rates {
			r := &s.Knee.Rates[i]
			parts = append(parts, fmt.Sprintf("%s %s", value("Hz", r.OfferedHz), value("share", r.Goodput())))
		}
		fmt.Fprintf(b, "  delivered of what is offered, %s: %s\n", s.Label, strings.Join(parts, ", "))
	}
}

// harmless removes terminal control characters, since text comes from kernels and result
// files.
func harmless(r rune) rune {
	if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return -1
	}
	return r
}

func terminalTable(b *strings.Builder, c *verdict.Comparison) {
	t := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "  \t%s\t%s\t%s\tnoise\tverdict\n", head(&c.A), head(&c.B), over(c))
	for _, l := range lines(c) {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.A, l.B, l.Ratio, l.Noise, l.Verdict)
	}
	_ = t.Flush() // a Builder does not fail
}

// indent keeps the further lines of a reason below its first.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
