// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"
	"slices"
	"strings"
)

// Column is the results on one kernel.
type Column struct {
	Kernel  string            `json:"kernel"`  // as requested
	Release string            `json:"release"` // of uname(2)
	Results map[string]Result `json:"results"` // by the statement's id
	Error   string            `json:"error,omitempty"`
}

// Summary says in one line how many statements were decided, and names those that do
// not hold.
func (c Column) Summary() string {
	var fails []string
	for id, r := range c.Results {
		if r.Verdict == Fails {
			fails = append(fails, fmt.Sprintf(", %s does not hold (%s)", id, firstLine(r.Seen)))
		}
	}
	slices.Sort(fails)
	return fmt.Sprintf("%d statements decided", len(c.Results)) + strings.Join(fails, "")
}

// Grid is statements by kernels.
type Grid struct {
	Statements []Statement `json:"statements"`
	Columns    []Column    `json:"columns"`
}

// Missing is the verdict of an experiment that was not run. No experiment returns it.
const Missing Verdict = "not run"

// at is the result of a statement on a kernel.
func (g *Grid) at(c Column, s Statement) Result {
	if r, ok := c.Results[s.ID]; ok {
		return r
	}
	return Result{ID: s.ID, Verdict: Missing, Seen: c.Error}
}

// Count counts verdicts.
func (g *Grid) Count() map[Verdict]int {
	n := map[Verdict]int{}
	for _, s := range g.Statements {
		for _, c := range g.Columns {
			n[g.at(c, s).Verdict]++
		}
	}
	return n
}

// Differs is the first kernel whose result differs from that of the kernel before; "" if
// all tested kernels agree.
func (g *Grid) Differs(s Statement) string {
	var before *Result
	for _, c := range g.Columns {
		r := g.at(c, s)
		if r.Verdict == Missing {
			continue
		}
		if before != nil && !r.Same(*before) {
			return c.Kernel
		}
		before = &r
	}
	return ""
}

// Same reports whether two results are equal.
func (r Result) Same(o Result) bool { return r.Verdict == o.Verdict && r.Seen == o.Seen }

// sight is one result that consecutive kernels share.
type sight struct {
	kernels string // as "5.10 to 6.1", or "" for all
	result  Result
}

// sights merges consecutive kernels with equal results.
func (g *Grid) sights(s Statement) []sight {
	var all []sight
	for first := 0; first < len(g.Columns); {
		last := first
		result := g.at(g.Columns[first], s)
		for last+1 < len(g.Columns) && g.at(g.Columns[last+1], s).Same(result) {
			last++
		}
		name := g.Columns[first].Kernel
		switch {
		case first == 0 && last == len(g.Columns)-1:
			name = ""
		case last > first:
			name += " to " + g.Columns[last].Kernel
		}
		all = append(all, sight{name, result})
		first = last + 1
	}
	return all
}

// summary is the first line of the text.
func (g *Grid) summary() string {
	n := g.Count()
	var parts []string
	for _, v := range []Verdict{Holds, Fails, NotSupported, Missing} {
		if n[v] > 0 || v == Holds || v == Fails {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], plural(v, n[v])))
		}
	}
	kernels := "this kernel"
	if len(g.Columns) != 1 || g.Columns[0].Kernel != "host" {
		kernels = fmt.Sprintf("%d kernels", len(g.Columns))
		if len(g.Columns) == 1 {
			kernels = "1 kernel"
		}
	}
	return fmt.Sprintf("%d statements on %s: %s", len(g.Statements), kernels, strings.Join(parts, ", "))
}

// plural is a verdict for several.
func plural(v Verdict, n int) string {
	switch {
	case v == Holds && n != 1:
		return "hold"
	case v == Fails && n != 1:
		return "do not hold"
	}
	return string(v)
}

// groups are the statements of each group, in order.
func (g *Grid) groups() [][]Statement {
	var all [][]Statement
	for _, s := range g.Statements {
		if n := len(all); n == 0 || all[n-1][0].Group != s.Group {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], s)
	}
	return all
}
