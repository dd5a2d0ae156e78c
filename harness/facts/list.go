// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// List prints the statements.
func List(w io.Writer, statements []Statement, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(statements)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "group\tstatement\tsince\twhat it says\tsource")
	for _, s := range statements {
		since := "-"
		if s.Since > 0 {
			since = s.Since.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Group, s.ID, since, s.Text, s.Source)
	}
	return table.Flush()
}

// Write writes the grid as JSON, as Markdown, or else as text.
func (g *Grid) Write(w io.Writer, asJSON, asMarkdown bool) error {
	switch {
	case asJSON:
		return g.JSON(w)
	case asMarkdown:
		return g.Markdown(w)
	}
	return g.Text(w)
}
