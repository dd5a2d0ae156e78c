// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// reportCmd shows stored results.
type reportCmd struct {
	Files    []string `arg:"" name:"results" help:"results.jsonl files, of one run or of several." type:"existingfile"`
	Format   string   `default:"text" enum:"${formats}" help:"How to show them: ${enum}. Default: ${default}."`
	Markdown bool     `help:"The same as --format markdown, for the summary of a CI job."`
	Details  bool     `help:"Show every comparison with all its figures, not the answer alone."`
	HTML     string   `name:"html" help:"Write a page with charts to this file too." placeholder:"FILE" type:"path"`
	Publish  string   `help:"Write what an event costs the program on each kernel into this directory: a page, its chart and the figures, of a run of one configuration in virtual time." placeholder:"DIR" type:"path"`
	Expect   string   `help:"Kernels that must be there, as they were asked for: \"5.10 6.1\"." placeholder:"KERNELS"`
}

// Run reads all files and shows them as one report. It reports an invalid line and skips
// it.
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
	for _, want := range strings.Fields(strings.ReplaceAll(r.Expect, ",", " ")) {
		errs = append(errs, results.Expect(comparisons, want))
	}
	errs = append(errs, results.Complete(comparisons))
	if len(comparisons) == 0 {
		errs = append(errs, errors.New("no trial in any file"))
	}
	if slices.ContainsFunc(comparisons, func(c verdict.Comparison) bool { return c.Statuses[record.Invalid] > 0 }) {
		if err := errors.Join(errs...); err != nil {
			e.explain("", err)
		}
		return exitError(exitFailed)
	}
	return errors.Join(errs...)
}
