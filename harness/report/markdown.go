package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Markdown writes an overview of all kernels and a section for each.
func Markdown(w io.Writer, comparisons []verdict.Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Perf buffer and BPF ring buffer\n\n**%s**\n\n", measuredLine(comparisons))
	overview(&b, comparisons)
	for i := range comparisons {
		section(&b, &comparisons[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// overview has a line a kernel, and the ratios as columns.
func overview(b *strings.Builder, comparisons []verdict.Comparison) {
	b.WriteString("Ratios are B to A: below 1 B takes less.\n\n| kernel | plan | machine | A | B | trials | A delivered | B delivered |")
	for _, m := range verdict.Metrics() {
		fmt.Fprintf(b, " %s |", m.Name)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 8+len(verdict.Metrics())) + "\n")
	for i := range comparisons {
		c := &comparisons[i]
		name := c.Kernel.Release
		if name == "" {
			name = c.Kernel.Want
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |", cell(name), cell(setupName(c)), cell(c.Machine.Accel), cell(c.LabelA), cell(c.LabelB), cell(statusLine(c)), delivered(c.TotalA), delivered(c.TotalB))
		for _, m := range verdict.Metrics() {
			text := "-"
			if row := c.Row(m.Slug); row != nil {
				text = ratio(row)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}

// setupName is the plan with what tells its set-ups apart.
func setupName(c *verdict.Comparison) string {
	if c.Scenario == "" {
		return c.Plan
	}
	return fmt.Sprintf("%s, %s (%d)", c.Plan, c.Scenario, c.Setup)
}

func section(b *strings.Builder, c *verdict.Comparison) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", cell(kernelLine(c)), cell(machineLine(c)))
	if len(c.Rows) > 0 {
		for _, line := range setupLines(c) {
			fmt.Fprintf(b, "%s.\n", cell(line))
		}
		fmt.Fprintf(b, "\n| | A: %s | B: %s | B/A | noise | verdict |\n| --- | --- | --- | --- | --- | --- |\n", cell(c.LabelA), cell(c.LabelB))
		for _, l := range lines(c) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(l.name), cell(l.a), cell(l.b), l.ratio, l.noise, l.verdict)
		}
	}
	for _, note := range notes(c) {
		fmt.Fprintf(b, "\n*%s*\n", note)
	}
	for _, reason := range c.Reasons {
		fmt.Fprintf(b, "\n- **%s**, %s: %s\n", reason.Status, plural(len(reason.Trials), "trial"), code(reason.Text))
	}
}

// cell escapes text that a kernel or a user chose for a table cell.
func cell(text string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;",
		"*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "\n", " ", "\r", " ").Replace(text)
}

// code shows text as it is, in a block that it cannot end.
func code(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return "\n\n  " + fence + "\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n  " + fence
}
