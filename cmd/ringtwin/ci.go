// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"io"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// ciFlags tell a CI how a command went.
type ciFlags struct {
	Annotations string `default:"auto" enum:"auto,on,off" help:"Write what is wrong as annotations, and fold the log, for GitHub Actions. auto: on if GITHUB_ACTIONS is true. Default: ${default}."`
	Summary     string `help:"Append a report in Markdown to this file, such as $$GITHUB_STEP_SUMMARY. It begins with what is wrong." placeholder:"FILE" type:"path"`
	Outputs     string `help:"Append outcome (passed, incomplete, failed), failed_kernels and report (the directory of the run) to this file as KEY=VALUE lines, such as $$GITHUB_OUTPUT." placeholder:"FILE" type:"path"`
}

func (f *ciFlags) ci() *ciFlags { return f }

// annotates reports whether the log is one that understands annotations.
func (f *ciFlags) annotates() bool {
	return f.Annotations == "on" || f.Annotations == "auto" && ci.UnderActions()
}

// tell tells the CI what is wrong, and returns the exit code of the outcome. run is the
// directory of a run, if there is one.
func (f *ciFlags) tell(e *env, problems []problem.Problem, run string, summary func(io.Writer) error) error {
	var errs []error
	if f.annotates() {
		errs = append(errs, ci.Annotate(e.stderr, problems))
	}
	if f.Summary != "" {
		errs = append(errs, ci.AppendSummary(f.Summary, summary))
	}
	if f.Outputs != "" {
		errs = append(errs, ci.AppendOutputs(f.Outputs, ci.Outputs{Problems: problems, Report: run}))
	}
	err := errors.Join(errs...)
	e.explain("", err)
	switch outcome := problem.OutcomeOf(problems); {
	case outcome == problem.Failed:
		return exitError(exitFailed)
	case outcome == problem.Incomplete || err != nil:
		return exitError(exitInfra)
	}
	return nil
}

// fold writes every detail of the results to the log, folded.
func (f *ciFlags) fold(e *env, r *report.Results) error {
	if !f.annotates() {
		return nil
	}
	for _, kernel := range r.Kernels() {
		ci.Group(e.stdout, kernel)
		if err := report.Details(e.stdout, r, kernel); err != nil {
			return err
		}
		ci.EndGroup(e.stdout)
	}
	return nil
}

// tellResults tells the CI about results.
func (f *ciFlags) tellResults(e *env, r *report.Results, run string, warnings []problem.Problem) error {
	all := *r
	all.Problems = problem.Sort(append(warnings, r.Problems...))
	return f.tell(e, all.Problems, run, func(w io.Writer) error { return report.Markdown(w, &all) })
}

// tellStopped tells the CI of the error that ended a command, if it has such flags.
func tellStopped(e *env, command any, err error) {
	c, ok := command.(interface{ ci() *ciFlags })
	if !ok || err == nil || errors.As(err, new(exitError)) {
		return
	}
	wrong := []problem.Problem{problem.New(problem.Stopped, "", "%v", err)}
	_ = c.ci().tell(e, wrong, "", func(w io.Writer) error {
		_, err := io.WriteString(w, ci.Wrong(wrong))
		return err
	})
}
