// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/internal/suite"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// mergeCmd joins the results of several machines.
type mergeCmd struct {
	Runs []string `arg:"" optional:"" name:"run" help:"Directories of runs of vmtest, such as out/latest, or the results.jsonl in them, or of runs of test, such as out/test/latest: the shards of one run, or one run for each kernel. Their order does not matter. With --expect there may be none." type:"path"`
	outFlags
	Expect *string `help:"Kernels that must be in the results, as for report." placeholder:"KERNELS"`
	ciFlags
}

// Run writes one run, and ends as vmtest, or test, would have with all of it on one
// machine.
func (m *mergeCmd) Run(e *env) error {
	if len(m.Runs) == 0 && m.Expect == nil {
		return usageError{errors.New("name directories of runs, or --expect the kernels that they should have")}
	}
	if slices.ContainsFunc(m.Runs, suite.Is) {
		return m.tests(e)
	}
	var expected *results.Expected
	if m.Expect != nil {
		expected = ringtwin.Expected(*m.Expect)
	}
	merged, err := results.Merge(m.Runs, expected)
	if err != nil {
		return usageError{err}
	}
	for _, note := range merged.Notes {
		fmt.Fprintf(e.stderr, "ringtwin: %s\n", note)
	}
	for _, p := range merged.Problems {
		e.explain("", errors.New(p.String()))
	}
	out, err := merged.Store(m.Out)
	if err != nil {
		return err
	}
	r, err := out.Conclude(e.stdout, merged.Order(), merged.Errors, merged.Problems, m.Details)
	if err := errors.Join(err, m.fold(e, r)); err != nil {
		return err
	}
	return m.tellResults(e, r, out.Path, nil)
}

// tests joins runs of test.
func (m *mergeCmd) tests(e *env) error {
	var expected []string
	if m.Expect != nil {
		expected = vmtest.Words(*m.Expect)
	}
	merged, err := suite.Merge(m.Runs, expected, kernel.Means)
	if err != nil {
		return usageError{err}
	}
	for _, p := range merged.Problems {
		e.explain("", errors.New(p.String()))
	}
	dir, err := merged.Store(m.Out)
	if err != nil {
		return err
	}
	return (&testReports{}).tellTests(e, merged, dir, nil, &m.ciFlags)
}
