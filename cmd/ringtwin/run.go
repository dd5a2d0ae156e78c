// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// runCmd measures a plan on the running kernel.
type runCmd struct {
	planFlags
	outFlags
	ciFlags
}

// Run measures every trial of the plan. All blocks are of one boot.
func (r *runCmd) Run(e *env) error {
	cpus, err := trial.CPUs()
	if err != nil {
		return err
	}
	p, err := r.load(len(cpus), 1)
	if err != nil {
		return err
	}
	run, err := ringtwin.Native(e.ctx)
	if err != nil {
		return needsRoot(err, "measuring", "ringtwin vmtest 6.1")
	}
	out, err := results.New(r.Out, p)
	if err != nil {
		return err
	}
	show := progress.New(e.stderr)
	defer show.End()
	run.Plan, run.Record = p, out.Add
	run.Phase = func(name string) { show.Phase(ringtwin.HostKernel, name) }
	err = run.Do(e.ctx)
	show.End()
	return e.conclude(out, []string{ringtwin.HostKernel}, []error{err}, r.Details, &r.ciFlags, nil)
}

// conclude shows the results of a run, explains errors, and returns the exit code.
func (e *env) conclude(out *results.Dir, order []string, errs []error, details bool, f *ciFlags, warnings []problem.Problem) error {
	r, err := out.Conclude(e.stdout, order, errs, nil, details)
	for _, err := range append(errs, err) {
		// What was cancelled, or cannot be booted, the report says.
		if err != nil && e.ctx.Err() == nil && !errors.As(err, new(*machine.UnsupportedError)) {
			e.explain("", err)
		}
	}
	if err := f.fold(e, r); err != nil {
		return err
	}
	return f.tellResults(e, r, out.Path, warnings)
}
