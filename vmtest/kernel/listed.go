// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Listed is a line of the list.
type Listed struct {
	Ref
	Cached bool `json:"cached"`
}

// WriteList writes the list, as a table or as JSON, one object a line.
func WriteList(w io.Writer, lines []Listed, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		for _, line := range lines {
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "version\tflavour\tsource\tpackage\tcached")
	for _, line := range lines {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", line.Kernel, cmp.Or(line.Flavour, "-"), line.Source, line.Package, yesNo(line.Cached))
	}
	return table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
