// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
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
	seen := map[[2]string]string{}
	for _, file := range r.Files {
		read, err := record.ReadFile(file)
		errs = append(errs, err)
		twice := 0
		for i := range read {
			at := [2]string{read[i].Trial.Run, read[i].ID}
			if first, ok := seen[at]; ok && first != file {
				twice++
				continue
			}
			seen[at] = file
			trials = append(trials, read[i])
		}
		if twice > 0 {
			errs = append(errs, fmt.Errorf("%s: %d trials are in another file too, and are used once", file, twice))
		}
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
		errs = append(errs, writeHTML(r.HTML, comparisons))
	}
	if r.Publish != "" {
		errs = append(errs, publish(r.Publish, comparisons))
	}
	for _, want := range strings.Fields(strings.ReplaceAll(r.Expect, ",", " ")) {
		errs = append(errs, expect(comparisons, want))
	}
	errs = append(errs, complete(comparisons))
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

// writeHTML writes the page.
func writeHTML(path string, comparisons []verdict.Comparison) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := errors.Join(report.HTML(file, comparisons), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// publish writes the files of the directory.
func publish(dir string, comparisons []verdict.Comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return report.Publish(comparisons, func(name string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, name), text, 0o644)
	})
}

// expect returns an error unless there are trials of the kernel.
func expect(comparisons []verdict.Comparison, want string) error {
	if slices.ContainsFunc(comparisons, func(c verdict.Comparison) bool { return c.Kernel.Want == want }) {
		return nil
	}
	return fmt.Errorf("kernel %s: missing", want)
}

// complete returns an error for each kernel and plan that lack trials.
func complete(comparisons []verdict.Comparison) error {
	type job struct{ kernel, plan string }
	type count struct{ measured, planned int }
	var order []job
	counts := map[job]*count{}
	for i := range comparisons {
		c := &comparisons[i]
		at := job{c.Kernel.Want, c.Plan}
		if counts[at] == nil {
			order, counts[at] = append(order, at), &count{}
		}
		counts[at].measured += c.Measured()
		counts[at].planned += c.Planned
	}
	var errs []error
	for _, at := range order {
		if n := counts[at]; n.measured < n.planned {
			errs = append(errs, fmt.Errorf("kernel %s, plan %s: %d of %d trials measured", at.kernel, at.plan, n.measured, n.planned))
		}
	}
	return errors.Join(errs...)
}
