// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/vmtest"
)

// reportCmd shows stored results.
type reportCmd struct {
	Files    []string `arg:"" name:"results" help:"results.jsonl files, of one run or of several." type:"existingfile"`
	Format   string   `default:"text" enum:"${formats}" help:"Output format: ${enum}. Default: ${default}."`
	Markdown bool     `help:"Same as --format markdown, for the summary of a CI job."`
	Details  bool     `help:"Show every comparison with all figures, not only the answer."`
	HTML     string   `name:"html" help:"Write a page with charts to this file too." placeholder:"FILE" type:"path"`
	Publish  string   `help:"Write the cost of an event for the program on each kernel to this directory: a page, its chart and the figures. The run must have one configuration in virtual time." placeholder:"DIR" type:"path"`
	Expect   string   `help:"Kernels that must be in the results, by the names requested: \"5.10 6.1\"." placeholder:"KERNELS"`
}

// Run shows all files as one report. It reports an invalid line and skips it.
func (r *reportCmd) Run(e *env) error {
	trials, err := results.Read(r.Files)
	errs := []error{err}
	comparisons := verdict.Compare(trials)
	if r.Markdown {
		r.Format = "markdown"
	}
	format, _ := report.FormatNamed(r.Format) // kong accepts no other
	if r.Details {
		err = report.Terminal(e.stdout, comparisons, true)
	} else {
		err = format.Write(e.stdout, trials, comparisons)
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
	for _, want := range vmtest.Words(r.Expect) {
		errs = append(errs, results.Expect(comparisons, want))
	}
	errs = append(errs, results.Complete(comparisons))
	if len(comparisons) == 0 {
		errs = append(errs, errors.New("no trial in any file"))
	}
	err = errors.Join(errs...)
	if !slices.ContainsFunc(comparisons, func(c verdict.Comparison) bool { return c.Statuses[record.Invalid] > 0 }) {
		return err
	}
	e.explain("", err)
	return exitError(exitFailed)
}
