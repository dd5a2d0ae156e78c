// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// reportCmd shows what was measured before.
type reportCmd struct {
	Files    []string `arg:"" name:"results" help:"results.jsonl files, of one run or of several." type:"existingfile"`
	Markdown bool     `help:"Write Markdown, as for the summary of a CI job."`
	Details  bool     `help:"Show every comparison with all its figures, not the answer alone."`
	HTML     string   `name:"html" help:"Write a page with charts to this file too." placeholder:"FILE" type:"path"`
	Publish  string   `help:"Write what an event costs the program on each kernel into this directory: a page, its chart and the figures, of a run of one configuration in virtual time." placeholder:"DIR" type:"path"`
	Expect   string   `help:"Kernels that must be there, as they were asked for: \"5.10 6.1\"." placeholder:"KERNELS"`
}

// Run reads all files and shows them as one report. A line that is no record
// is told and left out.
func (r *reportCmd) Run(e *env) error {
	var trials []record.Trial
	var errs []error
	var merger results.Merger
	for _, file := range r.Files {
		read, err := merger.Read(file, record.ReadFile)
		trials, errs = append(trials, read...), append(errs, err)
	}
	comparisons := verdict.Compare(trials)
	var err error
	if r.Markdown {
		err = report.Markdown(e.stdout, comparisons)
	} else {
		err = report.Terminal(e.stdout, comparisons, r.Details)
	}
	if err != nil {
		return err
	}
	if r.HTML != "" {
		errs = append(errs, results.WriteHTML(r.HTML, comparisons))
	}
	if r.Publish != "" {
		errs = append(errs, results.Publish(r.Publish, comparisons))
	}
	for _, want := range strings.Fields(strings.ReplaceAll(r.Expect, ",", " ")) {
		errs = append(errs, results.Expect(comparisons, want))
	}
	errs = append(errs, results.Complete(comparisons))
	if len(comparisons) == 0 {
		errs = append(errs, errors.New("no trial in any file"))
	}
	if slices.ContainsFunc(comparisons, func(c verdict.Comparison) bool { return c.Statuses[record.Invalid] > 0 }) {
		if err := errors.Join(errs...); err != nil {
			fmt.Fprintf(e.stderr, "ringtwin: %v\n", err)
		}
		return exitError(exitFailed)
	}
	return errors.Join(errs...)
}
