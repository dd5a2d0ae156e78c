// SPDX-License-Identifier: MIT

package report

import (
	"io"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Format is an output format of a report. A new one is a value in the table, and a file
// with its Write.
type Format struct {
	// Name is the word for report --format. File is the name of the file of a run; empty:
	// a run has none.
	Name, File string
	// Text describes the format in Markdown.
	Text  string
	Write func(io.Writer, *Results) error
}

// Results are what a report shows.
type Results struct {
	Trials      []record.Trial
	Comparisons []verdict.Comparison // of the trials
	Problems    []problem.Problem    // sorted: every format begins with them
}

// Of are the results of trials, with what is wrong with them and with anything else.
func Of(trials []record.Trial, more ...problem.Problem) *Results {
	r := &Results{Trials: trials, Comparisons: verdict.Compare(trials)}
	all := append(problems(r.Comparisons), more...)
	if len(all) == 0 && len(trials) == 0 { // a run without measurements never passes
		all = append(all, problem.New(problem.Missing, "", "nothing was measured: there are no results"))
	}
	r.Problems = problem.Sort(all)
	return r
}

var formats = []Format{
	{
		Name: "text", Text: "the answer, as `vmtest` prints it",
		Write: func(w io.Writer, r *Results) error { return Terminal(w, r, false) },
	},
	{
		Name: "html", File: "report.html",
		Text:  "one page: the answer and why, a map of all ratios, knees, latencies, policies, trends, and everything that is not ok. It needs no network and no scripts, and has a light and a dark style.",
		Write: HTML,
	},
	{
		Name: "markdown", File: "report.md", Text: "the same as tables, at most 512 KiB, for step summaries",
		Write: Markdown,
	},
	{
		Name: "bench", File: "bench.txt", Text: "for [benchstat](https://pkg.go.dev/golang.org/x/perf/cmd/benchstat)",
		Write: Bench,
	},
	{
		Name: "junit", File: "junit.xml", Text: "a test case for each trial, and for each kernel that is missing",
		Write: JUnit,
	},
}

// Formats are all of them.
func Formats() []Format { return slices.Clone(formats) }

// FormatNames are their names.
func FormatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// FormatNamed is the format of that name.
func FormatNamed(name string) (Format, bool) {
	i := slices.IndexFunc(formats, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return formats[i], true
}
