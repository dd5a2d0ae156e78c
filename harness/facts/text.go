// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/markdown"
)

// Text writes the grid for a terminal: the verdicts, then what was seen.
func (g *Grid) Text(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", g.summary())
	for _, c := range g.Columns {
		fmt.Fprintf(&out, "%s: Linux %s\n", c.Kernel, c.known())
	}
	table := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	row := func(first string, cells []string, last string) {
		if len(g.Columns) > 1 {
			cells = append(cells, last)
		}
		fmt.Fprintf(table, "%s\t%s\t\n", first, strings.Join(cells, "\t"))
	}
	empty := make([]string, len(g.Columns))
	for _, group := range g.groups() {
		row("", empty, "") // with empty cells, so that all groups have columns of the same width
		var names []string
		for _, c := range g.Columns {
			names = append(names, c.Kernel)
		}
		row(group[0].Group, names, "first to differ")
		for _, s := range group {
			var verdicts []string
			for _, c := range g.Columns {
				verdicts = append(verdicts, string(g.at(c, s).Verdict))
			}
			row("  "+s.ID, verdicts, g.Differs(s))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&out, "\nwhat was seen")
	for _, s := range g.Statements {
		fmt.Fprintf(&out, "\n  %s\n    %s\n", s.ID, s.Text)
		for _, seen := range g.sights(s) {
			name := seen.kernels
			if name != "" {
				name += ": "
			}
			fmt.Fprintf(&out, "    %s%s: %s\n", name, seen.result.Verdict, firstLine(seen.result.Seen))
		}
	}
	_, err := io.WriteString(w, trimRight(out.String()))
	return err
}

// trimRight removes trailing spaces, which empty cells leave.
func trimRight(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (c Column) known() string {
	if c.Release == "" {
		return "not booted: " + firstLine(c.Error)
	}
	return c.Release
}

// markdownBytes bounds the tables of each part of the Markdown, which a step summary has
// room for.
const markdownBytes = 192 << 10

// Markdown writes what is wrong, then the statements that do not hold, are not supported
// or differ between kernels, and the others folded.
func (g *Grid) Markdown(w io.Writer) error {
	var out strings.Builder
	out.WriteString(ci.Wrong(g.Problems()))
	fmt.Fprintf(&out, "%s\n", g.summary())
	var plain, other []Statement
	for _, s := range g.Statements {
		if g.isPlain(s) {
			plain = append(plain, s)
		} else {
			other = append(other, s)
		}
	}
	g.markdownTables(&out, other)
	if len(plain) > 0 {
		fmt.Fprintf(&out, "\n<details><summary>%d statements hold on every kernel in the same way</summary>\n", len(plain))
		g.markdownTables(&out, plain)
		out.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// markdownTables writes a table a group.
func (g *Grid) markdownTables(out *strings.Builder, statements []Statement) {
	rows := &markdown.Limited{B: out, Left: markdownBytes}
	for _, group := range (&Grid{Statements: statements}).groups() {
		var head strings.Builder
		fmt.Fprintf(&head, "\n### %s\n\n| statement |", group[0].Group)
		for _, c := range g.Columns {
			fmt.Fprintf(&head, " %s |", cell(c.Kernel))
		}
		fmt.Fprintf(&head, " first to differ | seen | source |\n|%s\n", strings.Repeat(" --- |", len(g.Columns)+4))
		rows.Add(head.String())
		for _, s := range group {
			rows.Add(g.markdownRow(s))
		}
	}
	if rows.Out > 0 {
		fmt.Fprintf(out, "\n*%d rows are left out here to keep this short*\n", rows.Out)
	}
}

func (g *Grid) markdownRow(s Statement) string {
	var row strings.Builder
	fmt.Fprintf(&row, "| `%s`: %s |", s.ID, cell(s.Text))
	for _, c := range g.Columns {
		fmt.Fprintf(&row, " %s |", g.at(c, s).Verdict)
	}
	var seen []string
	for _, at := range g.sights(s) {
		if at.kernels == "" {
			seen = append(seen, firstLine(at.result.Seen))
		} else {
			seen = append(seen, at.kernels+": "+firstLine(at.result.Seen))
		}
	}
	fmt.Fprintf(&row, " %s | %s | %s |\n", cell(g.Differs(s)), cell(strings.Join(seen, "\n")), cell(s.Source))
	return row.String()
}

// cell escapes text for a Markdown table.
func cell(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, markdown.Escape(strings.TrimSuffix(line, "\n")))
	}
	return strings.Join(lines, "<br>")
}

// JSON writes the grid as one object.
func (g *Grid) JSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(g)
}
