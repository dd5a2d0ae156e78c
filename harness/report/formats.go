// SPDX-License-Identifier: MIT

package report

import (
	"io"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Format is an output format of a report. A new one is a value in the table, and a file
// with its Write.
type Format struct {
	// Name is the word for report --format. File is the name of the file of a run; empty:
	// a run has none.
	Name, File string
	// Text describes the format in Markdown.
	Text string
	// Write writes the trials and their comparisons.
	Write func(io.Writer, []record.Trial, []verdict.Comparison) error
}

var formats = []Format{
	{
		Name: "text", Text: "the answer, as `vmtest` prints it",
		Write: func(w io.Writer, _ []record.Trial, c []verdict.Comparison) error { return Terminal(w, c, false) },
	},
	{
		Name: "html", File: "report.html",
		Text:  "one page: the answer and why, a map of all ratios, knees, latencies, policies, trends, and everything that is not ok. It needs no network and no scripts, and has a light and a dark style.",
		Write: func(w io.Writer, _ []record.Trial, c []verdict.Comparison) error { return HTML(w, c) },
	},
	{
		Name: "markdown", File: "report.md", Text: "the same as tables, at most 512 KiB, for step summaries",
		Write: func(w io.Writer, _ []record.Trial, c []verdict.Comparison) error { return Markdown(w, c) },
	},
	{
		Name: "bench", File: "bench.txt", Text: "for [benchstat](https://pkg.go.dev/golang.org/x/perf/cmd/benchstat)",
		Write: func(w io.Writer, t []record.Trial, _ []verdict.Comparison) error { return Bench(w, t) },
	},
	{
		Name: "junit", File: "junit.xml", Text: "a test case for each trial",
		Write: func(w io.Writer, t []record.Trial, _ []verdict.Comparison) error { return JUnit(w, t) },
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
