// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
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

// Markdown writes the grid as tables, a group each.
func (g *Grid) Markdown(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", g.summary())
	for _, group := range g.groups() {
		fmt.Fprintf(&out, "\n### %s\n\n| statement |", group[0].Group)
		for _, c := range g.Columns {
			fmt.Fprintf(&out, " %s |", cell(c.Kernel))
		}
		fmt.Fprintf(&out, " first to differ | seen | source |\n|%s\n", strings.Repeat(" --- |", len(g.Columns)+4))
		for _, s := range group {
			fmt.Fprintf(&out, "| `%s`: %s |", s.ID, cell(s.Text))
			for _, c := range g.Columns {
				fmt.Fprintf(&out, " %s |", g.at(c, s).Verdict)
			}
			var seen []string
			for _, at := range g.sights(s) {
				if at.kernels == "" {
					seen = append(seen, firstLine(at.result.Seen))
				} else {
					seen = append(seen, at.kernels+": "+firstLine(at.result.Seen))
				}
			}
			fmt.Fprintf(&out, " %s | %s | %s |\n", cell(g.Differs(s)), cell(strings.Join(seen, "\n")), cell(s.Source))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// cell escapes text for a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", "<br>", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// JSON writes the grid as one object.
func (g *Grid) JSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(g)
}

// ErrFails is what [Grid.Err] returns if a statement does not hold.
var ErrFails = errors.New("a statement does not hold")

// ErrMissing is returned by [Grid.Err] if statements were not tried, and all others hold.
var ErrMissing = errors.New("a statement was not tried")

// Err returns an error if a statement does not hold or was not tried, or if a kernel
// failed.
func (g *Grid) Err() error {
	n := g.Count()
	switch {
	case n[Fails] > 0:
		return ErrFails
	case n[Missing] > 0 || len(g.Columns) == 0 || slices.ContainsFunc(g.Columns, func(c Column) bool { return c.Error != "" }):
		return ErrMissing
	}
	return nil
}
