// SPDX-License-Identifier: MIT

package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Placed is a result and where it was measured.
type Placed struct {
	Where string `json:"where"`
	Result
}

// Write prints the results, place by place; as JSON only the alarms, for the results were
// written one by one.
func Write(w io.Writer, results []Placed, found Alarms, asJSON bool) error {
	if asJSON {
		if found.Of == 0 {
			return nil
		}
		return json.NewEncoder(w).Encode(found)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	where := ""
	for _, r := range results {
		if r.Where != where {
			where = r.Where
			_ = table.Flush()
			fmt.Fprintf(table, "\n%s\n", where)
			fmt.Fprintln(table, "transport\tfault\tinjected\trecovered\t")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Transport, r.Fault, r.Injected, r.Recovered, r.Answer)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.Answer == TooBusy {
			fmt.Fprintf(w, "\n%s, %s: too busy to say: %s\n", r.Transport, r.Fault, r.Disturbed)
		}
	}
	if found.Of > 0 {
		fmt.Fprintf(w, "\n%s\n", found)
	}
	return nil
}
