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

// overview has a line a set-up on a kernel, and the ratios as columns.
func overview(b *strings.Builder, comparisons []verdict.Comparison) {
	metrics := shown(comparisons)
	b.WriteString("Ratios are B to A: below 1, B takes less.\n\n| kernel | plan | machine | trials | A | B | A delivered | B delivered |")
	for _, m := range metrics {
		fmt.Fprintf(b, " %s |", m.Name)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 8+len(metrics)) + "\n")
	for i := range comparisons {
		c := &comparisons[i]
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |", cell(kernelName(c)), cell(planName(c)), cell(c.Machine.Accel), cell(statusLine(c)),
			cell(c.A.Setup()), cell(c.B.Setup()), delivered(c.A.Total), delivered(c.B.Total))
		for _, m := range metrics {
			text := "-"
			if row := c.Row(m.Slug); row != nil {
				text = ratio(row)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}

func section(b *strings.Builder, c *verdict.Comparison) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", cell(kernelLine(c)), cell(machineLine(c)))
	if len(c.Rows) > 0 {
		for _, line := range setupLines(c) {
			fmt.Fprintf(b, "%s.\n", cell(line))
		}
		fmt.Fprintf(b, "\n| | %s | %s | %s | noise | verdict |\n| --- | --- | --- | --- | --- | --- |\n", cell(head(&c.A)), cell(head(&c.B)), cell(over(c)))
		for _, l := range lines(c) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(l.name), cell(l.a), cell(l.b), l.ratio, l.noise, cell(l.verdict))
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
