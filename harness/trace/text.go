// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// columnWidth is that of one transport's calls, in characters.
const columnWidth = 60

// Text writes the sequences of each kernel side by side, of its first number of CPUs, and
// how the counts grow. Probes are shown if requested.
func Text(w io.Writer, kernels []Kernel, probes bool) error {
	var b strings.Builder
	for i := range kernels {
		if i > 0 {
			b.WriteString("\n")
		}
		k := &kernels[i]
		c := &k.Traces[0]
		fmt.Fprintf(&b, "%s\n\n", c.title())
		a, z := c.Sequences[0], c.Sequences[1]
		columns(&b, "   ", a.Transport, z.Transport)
		for n, row := range align(a.shown(probes), z.shown(probes)) {
			columns(&b, fmt.Sprintf("%-3d", n+1), row[0].cell(), row[1].cell())
		}
		fmt.Fprintf(&b, "\n%s\n\n", k.summary())
		growthText(&b, k)
		if !probes {
			fmt.Fprintf(&b, "\n%s\n", probesNote)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const probesNote = "Probes are not shown: what failed, or made what was closed unused. So the library finds out what the kernel can do."

// title names the source of the sequences.
func (c *Trace) title() string {
	return fmt.Sprintf("Linux %s, %s, attached by %s: what ringtwin hello asks of the kernel until it waits for events",
		c.Release, count(c.CPUs, "CPU"), c.Attach)
}

// summary is the growth in a sentence.
func (k *Kernel) summary() string {
	var parts []string
	for _, g := range k.Growth {
		if g.What != AllCalls {
			continue
		}
		switch {
		case len(g.CPUs) == 1:
			parts = append(parts, fmt.Sprintf("over %s %d calls with %s", g.Transport, g.Counts[0], count(g.CPUs[0], "CPU")))
		case g.Law == "":
			parts = append(parts, fmt.Sprintf("over %s no straight line", g.Transport))
		case strings.Contains(g.Law, "N"):
			parts = append(parts, fmt.Sprintf("over %s %s calls with N CPUs", g.Transport, g.Law))
		default:
			parts = append(parts, fmt.Sprintf("over %s %s calls with any number of CPUs", g.Transport, g.Law))
		}
	}
	text := strings.Join(parts, ", ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shown are the calls with or without probes.
func (s *Sequence) shown(probes bool) []Call {
	return slices.DeleteFunc(slices.Clone(s.Calls), func(c Call) bool { return c.Probe && !probes })
}

// cell is one side of a row.
func (c *Call) cell() string {
	switch {
	case c == nil:
		return ""
	case c.Probe:
		return "probe: " + c.String()
	}
	return c.String()
}

// columns writes two texts side by side, each broken into lines.
func columns(b *strings.Builder, number, left, right string) {
	l, r := wrap(left), wrap(right)
	for i := range max(len(l), len(r)) {
		var a, z string
		if i < len(l) {
			a = l[i]
		}
		if i < len(r) {
			z = r[i]
		}
		if i > 0 {
			number = strings.Repeat(" ", len(number))
		}
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%s %-*s  %s", number, columnWidth, a, z), " "))
	}
}

// wrap breaks a text at spaces, and words longer than a column at its end.
func wrap(text string) []string {
	const indent = "    "
	var lines []string
	line := ""
	for i, word := range strings.Split(text, " ") {
		switch {
		case i == 0:
		case len(line)+1+len(word) > columnWidth:
			lines = append(lines, line)
			line = indent
		default:
			line += " "
		}
		line += word
		for len(line) > columnWidth {
			lines = append(lines, line[:columnWidth])
			line = indent + line[columnWidth:]
		}
	}
	return append(lines, line)
}

// growthText writes the counts as a table: a row for each kind of call.
func growthText(b *strings.Builder, k *Kernel) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range k.growthRows() {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a Builder does not fail
}

// growthRows starts with the header.
func (k *Kernel) growthRows() [][]string {
	head := []string{"calls"}
	transports := len(k.Traces[0].Sequences)
	for _, g := range k.Growth[:transports] {
		for i, cpus := range g.CPUs {
			name := fmt.Sprint(cpus)
			if i == 0 {
				name = fmt.Sprintf("%s, CPUs: %d", g.Transport, cpus)
			}
			head = append(head, name)
		}
		if len(g.CPUs) > 1 {
			head = append(head, "N")
		}
	}
	rows := [][]string{head}
	for i := 0; i < len(k.Growth); i += transports {
		row := []string{k.Growth[i].What}
		for _, g := range k.Growth[i : i+transports] {
			for _, n := range g.Counts {
				row = append(row, fmt.Sprint(n))
			}
			switch {
			case len(g.CPUs) == 1:
			case g.Law == "":
				row = append(row, "no line")
			default:
				row = append(row, g.Law)
			}
		}
		rows = append(rows, row)
	}
	return rows
}
