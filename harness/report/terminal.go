package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Terminal writes all comparisons as text of fixed width.
func Terminal(w io.Writer, comparisons []verdict.Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", measuredLine(comparisons))
	for i := range comparisons {
		terminalSection(&b, &comparisons[i])
	}
	_, err := io.WriteString(w, strings.Map(harmless, b.String()))
	return err
}

// terminalSection writes one comparison.
func terminalSection(b *strings.Builder, c *verdict.Comparison) {
	fmt.Fprintf(b, "\n%s\n  %s\n", kernelLine(c), machineLine(c))
	if len(c.Rows) > 0 {
		fmt.Fprintf(b, "  %s\n\n", strings.Join(setupLines(c), "\n  "))
		terminalTable(b, c)
		b.WriteString("\n")
	}
	for _, note := range notes(c) {
		fmt.Fprintf(b, "  %s\n", note)
	}
	fmt.Fprintf(b, "  trials: %s\n", statusLine(c))
	for _, reason := range c.Reasons {
		fmt.Fprintf(b, "  %s (%s): %s\n", reason.Status, plural(len(reason.Trials), "trial"), indent(reason.Text))
	}
}

// harmless leaves out what would control a terminal: kernels and result files
// have a say in the text.
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
