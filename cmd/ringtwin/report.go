// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"io"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
)

// reportCmd shows stored results.
type reportCmd struct {
	Files      []string `arg:"" optional:"" name:"results" help:"results.jsonl files, or directories of runs, as one report. With --expect there may be none."`
	Format     string   `default:"text" enum:"${formats}" help:"Output format: ${enum}. Default: ${default}."`
	Markdown   bool     `help:"Same as --format markdown."`
	Details    bool     `help:"Show every comparison with all figures, not only the answer."`
	HTML       string   `name:"html" help:"Write a page with charts to this file too." placeholder:"FILE" type:"path"`
	Publish    string   `help:"Write the cost of an event for the program on each kernel to this directory: a page, its chart and the figures. The run must have one configuration in virtual time." placeholder:"DIR" type:"path"`
	Functions  string   `help:"Write where the instructions of an event go to this file: a line of JSON for each kernel and transport. The results must be of vmtest --profile." placeholder:"FILE" type:"path"`
	Contention string   `help:"Write what producers share, and how fast they were on the host, to this file: a line of JSON for each kernel, transport and number of producers. The results must be of vmtest --profile --clock wall, or of run." placeholder:"FILE" type:"path"`
	Expect     *string  `help:"Kernels that must be in the results, as they were named for vmtest; of a pattern, at least one: \"5.10 apt:6.1 6.*\". An empty list fails." placeholder:"KERNELS"`
	ciFlags
}

// Run shows all files as one report, which begins with what is wrong with them.
func (r *reportCmd) Run(e *env) error {
	if len(r.Files) == 0 && r.Expect == nil {
		return usageError{errors.New("name result files, or --expect the kernels that they should have")}
	}
	trials, wrong := results.Read(r.Files)
	if r.Expect != nil {
		wrong = append(wrong, ringtwin.Expected(*r.Expect).Check(trials)...)
	}
	all := report.Of(trials, wrong...)
	if err := r.write(e, all, trials); err != nil {
		return err
	}
	for _, p := range all.Problems {
		e.explain("", errors.New(p.String()))
	}
	if r.Format == "text" && !r.Details {
		if err := r.fold(e, all); err != nil {
			return err
		}
	}
	return r.tellResults(e, all, "", nil)
}

// write writes the report to standard output, and the files that are asked for.
func (r *reportCmd) write(e *env, all *report.Results, trials []record.Trial) error {
	if r.Markdown {
		r.Format = "markdown"
	}
	format, _ := report.FormatNamed(r.Format) // kong accepts no other
	if r.Details {
		format.Write = func(w io.Writer, all *report.Results) error { return report.Terminal(w, all, true) }
	}
	errs := []error{format.Write(e.stdout, all)}
	if r.HTML != "" {
		errs = append(errs, results.WriteHTML(r.HTML, all))
	}
	if r.Publish != "" {
		errs = append(errs, results.Publish(r.Publish, all.Comparisons))
	}
	if r.Functions != "" {
		errs = append(errs, results.WriteFunctions(r.Functions, trials))
	}
	if r.Contention != "" {
		errs = append(errs, results.WriteContention(r.Contention, trials))
	}
	return errors.Join(errs...)
}
