// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Query selects the trials to compare: A is the first file, or the trials that filter A
// selects from all files.
type Query struct {
	Files []string
	A, B  string // filters; both or none
	Gates []string
	// GateWall lets gates decide on wall-clock times of emulated machines too.
	GateWall bool
	// OtherTwins lets records of other BPF objects be compared in virtual time.
	OtherTwins bool

	filters [2]verdict.Filter
	gates   []verdict.Gate
}

// Answer is the result of a query.
type Answer struct {
	Sets  verdict.SetComparison
	Gates []verdict.GateResult
	// Missing is the error of trials that were absent or not comparable; nil: none.
	Missing error
}

// Check rejects an invalid query.
func (q *Query) Check() error {
	var errs []error
	for i, text := range []string{q.A, q.B} {
		filter, err := verdict.ParseFilter(text)
		q.filters[i], errs = filter, append(errs, err)
	}
	for _, text := range q.Gates {
		g, err := verdict.ParseGate(text)
		q.gates, errs = append(q.gates, g), append(errs, err)
	}
	if q.A == "" && q.B == "" && len(q.Files) != 2 {
		errs = append(errs, fmt.Errorf("%d files: want two, or --a and --b to select from them", len(q.Files)))
	}
	if (q.A == "") != (q.B == "") {
		errs = append(errs, errors.New("want both of --a and --b, or none"))
	}
	return errors.Join(errs...)
}

// Compare reads the files, compares what the filters select, and lets the gates decide. The
// query has been checked. The error is a file that cannot be read.
func (q *Query) Compare() (*Answer, error) {
	sides, bad, err := q.read()
	if err != nil {
		return nil, err
	}
	a := &Answer{Sets: verdict.CompareSets(q.filters[0], q.filters[1], sides[0], sides[1], q.OtherTwins)}
	sets := &a.Sets
	if q.A == "" {
		sets.A, sets.B = q.Files[0], q.Files[1]
	}
	for _, g := range q.gates {
		some := g.Check(sets.Comparisons, q.GateWall)
		if len(some) == 0 {
			bad = errors.Join(bad, fmt.Errorf("gate %s: nothing was measured that it could decide on", g))
		}
		a.Gates = append(a.Gates, some...)
	}
	if len(sets.Comparisons) == 0 {
		bad = errors.Join(bad, errors.New("nothing of A and B could be compared"))
	}
	for _, line := range sets.Refused {
		bad = errors.Join(bad, errors.New(line))
	}
	if n := sets.Unmeasured[0] + sets.Unmeasured[1]; n > 0 {
		bad = errors.Join(bad, fmt.Errorf("%d trials were not measured", n))
	}
	if n := len(sets.Alone); n > 0 && len(q.gates) > 0 {
		bad = errors.Join(bad, fmt.Errorf("%d configurations have no opposite: the gates saw nothing of them", n))
	}
	a.Missing = bad
	return a, nil
}

// Write writes the answer as JSON, as Markdown, or else as text.
func (a *Answer) Write(w io.Writer, asJSON, asMarkdown bool) error {
	switch {
	case asJSON:
		return report.SetsJSON(w, &a.Sets, a.Gates)
	case asMarkdown:
		return a.Markdown(w)
	}
	return report.SetsTerminal(w, &a.Sets, a.Gates)
}

// Markdown writes what is wrong, and the answer.
func (a *Answer) Markdown(w io.Writer) error {
	if _, err := io.WriteString(w, ci.Wrong(a.Problems())); err != nil {
		return err
	}
	return report.SetsMarkdown(w, &a.Sets, a.Gates)
}

// Problems are gates that failed or refused to decide, and trials that were missing;
// sorted.
func (a *Answer) Problems() []problem.Problem {
	all := report.GateProblems(a.Gates)
	for _, line := range lines(a.Missing) {
		all = append(all, problem.New(problem.Short, "", "%s", line))
	}
	return problem.Sort(all)
}

// read returns the inputs of A and of B. Invalid lines are in bad, and the rest is used.
func (q *Query) read() (sides [2][]verdict.Input, bad, err error) {
	var all []verdict.Input
	var merger Merger
	for i, file := range q.Files {
		if q.A == "" {
			merger = Merger{} // A and B may be the same file
		}
		trials, wrong := merger.Read(file, record.ReadFileFigures)
		if errors.As(wrong, new(*os.PathError)) {
			return sides, nil, wrong
		}
		bad = errors.Join(bad, wrong)
		for j := range trials {
			in := verdict.Input{File: file, Trial: &trials[j]}
			if q.A == "" {
				sides[i] = append(sides[i], in)
			} else {
				all = append(all, in)
			}
		}
	}
	if q.A == "" {
		return sides, bad, nil
	}
	for i := range q.filters {
		if sides[i] = q.filters[i].Of(all); len(sides[i]) == 0 {
			bad = errors.Join(bad, fmt.Errorf("no trial has %s", q.filters[i].Text))
		}
	}
	return sides, bad, nil
}
