// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/internal/junit"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Problems are the statements that do not hold, or were not tried, and the kernels that
// failed; sorted.
func (g *Grid) Problems() []problem.Problem {
	var all []problem.Problem
	for _, c := range g.Columns {
		untried := 0
		for _, s := range g.Statements {
			switch r := g.at(c, s); r.Verdict {
			case Fails:
				all = append(all, problem.New(problem.Fails, c.Kernel, "%s: %s: %s", s.ID, s.Text, r.Seen))
			case Missing:
				untried++
			}
		}
		if untried > 0 || c.Error != "" {
			why := strings.TrimPrefix(firstLine(c.Error), c.Kernel+": ")
			all = append(all, problem.New(problem.Untried, c.Kernel, "%d of %d statements: %s", untried, len(g.Statements), why))
		}
	}
	if len(g.Columns) == 0 {
		all = append(all, problem.New(problem.Missing, "", "no kernel was tried"))
	}
	return problem.Sort(all)
}

// JUnit writes a suite a kernel, and a case a statement. One that does not hold is a
// failure, and one that was not tried an error.
func (g *Grid) JUnit(w io.Writer) error {
	var suites junit.Suites
	for _, c := range g.Columns {
		suite := suites.Suite("facts " + c.Kernel)
		for _, s := range g.Statements {
			r := g.at(c, s)
			one := junit.Case{Name: s.ID, ClassName: "ringtwin.facts." + s.Group, Seconds: fmt.Sprintf("%.3f", float64(r.DurationNS)/1e9)}
			switch r.Verdict {
			case Fails:
				one.Failure = junit.NewReason(string(r.Verdict), r.Seen)
			case Missing:
				one.Error = junit.NewReason(string(r.Verdict), r.Seen)
			case NotSupported:
				one.Skipped = junit.NewReason("", r.Seen)
			}
			suite.Add(one)
		}
	}
	return suites.Write(w)
}

// Files are the files that the grid is stored in, by their names.
func (g *Grid) Files() map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{"facts.json": g.JSON, "facts.md": g.Markdown, "facts.xml": g.JUnit}
}

// isPlain reports whether a statement holds everywhere, in the same way.
func (g *Grid) isPlain(s Statement) bool {
	return g.Differs(s) == "" && !slices.ContainsFunc(g.Columns, func(c Column) bool { return g.at(c, s).Verdict != Holds })
}
