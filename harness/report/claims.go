// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/claims"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// claimTable is the published claims, and what became of them on one kernel.
type claimTable struct {
	Title string
	Table grid
}

// withoutClaims are the comparisons of all other plans: the sides of the plan claims are
// chosen to decide claims, and there is no answer which of them to use.
func withoutClaims(comparisons []verdict.Comparison) []verdict.Comparison {
	return slices.DeleteFunc(slices.Clone(comparisons), func(c verdict.Comparison) bool { return c.Plan == claims.Plan })
}

// claimTables has a table for each kernel with trials of the plan claims.
func claimTables(comparisons []verdict.Comparison) []claimTable {
	of := slices.DeleteFunc(slices.Clone(comparisons), func(c verdict.Comparison) bool { return c.Plan != claims.Plan })
	var tables []claimTable
	for _, o := range claims.Decide(verdict.Trials(of)) {
		if o.Claim.Number == 1 {
			tables = append(tables, claimTable{
				Title: "Published claims on " + claimKernel(&o),
				Table: grid{Head: []string{"number", "who", "published", "ours", "verdict", "reason"}},
			})
		}
		g := &tables[len(tables)-1].Table
		g.Rows = append(g.Rows, []string{fmt.Sprint(o.Claim.Number), o.Claim.Who, o.Claim.Published, clean(o.Ours), string(o.Verdict), clean(o.Reason)})
	}
	return tables
}

func claimKernel(o *claims.Outcome) string {
	text := o.Kernel.Want
	if o.Kernel.Release != "" && o.Kernel.Release != text {
		text += ", " + o.Kernel.Release
	}
	return text + ", " + o.Machine
}

// terminalClaims writes each row as a line with its verdict, and its texts below it: side by
// side they are wider than a terminal.
func terminalClaims(b *strings.Builder, comparisons []verdict.Comparison) {
	for _, t := range claimTables(comparisons) {
		fmt.Fprintf(b, "%s\n", t.Title)
		for _, row := range t.Table.Rows {
			fmt.Fprintf(b, "\n%2s  %s: %s\n", row[0], row[1], row[4])
			for _, i := range []int{2, 3, 5} {
				if row[i] != "-" {
					indented(b, t.Table.Head[i]+": "+row[i])
				}
			}
		}
		b.WriteString("\n")
	}
}

// indented writes text below a row.
func indented(b *strings.Builder, text string) {
	const margin = "    "
	var lines strings.Builder
	wrapTo(&lines, text, textWidth-len(margin))
	for line := range strings.Lines(lines.String()) {
		b.WriteString(margin + line)
	}
}

func markdownClaims(b *strings.Builder, comparisons []verdict.Comparison) {
	for _, t := range claimTables(comparisons) {
		fmt.Fprintf(b, "## %s\n\n", cell(t.Title))
		markdownGrid(b, t.Table)
		b.WriteString("\n")
	}
}
