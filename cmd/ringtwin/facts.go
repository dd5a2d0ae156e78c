// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// factsCmd decides statements by experiments.
type factsCmd struct {
	hereOrKernels
	kernelFlags

	List   bool     `help:"List the statements without deciding them."`
	Only   []string `help:"Decide only these statements, or the statements of these groups." placeholder:"ID"`
	Bisect string   `help:"Find the first kernel between --from and --to on which this statement's experiment has a different result." placeholder:"ID"`
	From   string   `help:"Oldest kernel for --bisect, such as 5.10." placeholder:"VERSION"`
	To     string   `help:"Newest kernel for --bisect, such as 7.3." placeholder:"VERSION"`

	Markdown bool `xor:"format" help:"Write Markdown."`
	JSON     bool `name:"json" xor:"format" help:"Write one JSON object."`

	Out string `help:"Write facts.json, facts.md and facts.xml (JUnit) to this directory too." placeholder:"DIR" type:"path"`
	ciFlags

	jobsFlag
	accelFlag
	CPUs int `name:"cpus" default:"2" min:"1" max:"255" help:"CPUs of a VM. Some experiments need two. Default: ${default}." placeholder:"N"`
	memoryFlag
	qemuFlag
}

// Run decides the statements and writes the grid.
func (f *factsCmd) Run(e *env) error {
	kernels, err := f.names()
	if err != nil {
		return err
	}
	if err := f.check(len(kernels)); err != nil {
		return usageError{err}
	}
	statements, err := facts.Select(f.Only)
	if err != nil {
		return usageError{err}
	}
	switch {
	case f.List:
		return facts.List(e.stdout, statements, f.JSON)
	case f.Bisect != "":
		return f.bisect(e)
	case len(kernels) == 0:
		grid, err := ringtwin.DecideHere(e.ctx, statements)
		if err != nil {
			return needsRoot(err, "an experiment", "ringtwin facts --kernel 6.1")
		}
		return f.write(e, grid, nil)
	}
	d, refs, end, err := f.decider(e, e.machines, kernels...)
	if err != nil {
		return err
	}
	grid, err := d.Decide(e.ctx, refs, statements)
	end()
	if err != nil {
		return err
	}
	return f.write(e, grid, d.Host.Warnings())
}

// check rejects flags that do not go together, or not with this many kernels.
func (f *factsCmd) check(kernels int) error {
	bisects := f.Bisect != ""
	switch {
	case bisects != (f.From != "") || bisects != (f.To != ""):
		return errors.New("--bisect, --from and --to go together")
	case bisects && (kernels > 0 || len(f.Only) > 0 || f.List || f.JSON || f.Markdown):
		return errors.New("--bisect takes --from and --to, and neither kernels nor --only, --list, --json, --markdown")
	}
	return nil
}

// decider runs experiments in machines of these kernels. The caller ends it.
func (f *factsCmd) decider(e *env, machines getMachines, kernels ...string) (d *ringtwin.Decider, refs []kernel.Ref, end func(), err error) {
	if err := f.fits(); err != nil {
		return nil, nil, nil, err
	}
	host, show, refs, err := machines(f.kernelFlags, f.qemuFlag, f.accelFlag, f.Jobs, kernels...)
	if err != nil {
		return nil, nil, nil, err
	}
	explain := func(err error) { show.End(); e.explain("", err) }
	return &ringtwin.Decider{Host: host, Spec: vmtest.Spec{CPUs: f.CPUs, MemoryMiB: f.Memory}, Explain: explain}, refs, show.End, nil
}

// bisect finds the first kernel on which a statement's experiment differs.
func (f *factsCmd) bisect(e *env) error {
	statements, err := facts.Select([]string{f.Bisect})
	if err == nil && len(statements) != 1 {
		err = fmt.Errorf("--bisect %s: that is a group; want one statement", f.Bisect)
	}
	if err != nil {
		return usageError{err}
	}
	d, refs, end, err := f.decider(e, e.sure, f.From+".."+f.To)
	if err != nil {
		return err
	}
	defer end()
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), f.From, f.To)}
	}
	err = d.Bisect(e.ctx, e.stdout, refs, statements[0])
	if errors.Is(err, facts.ErrSame) || errors.Is(err, facts.ErrUndecided) {
		return outcome(err, facts.ErrSame)
	}
	return err
}

// write prints and stores the grid, and returns the exit code that it implies.
func (f *factsCmd) write(e *env, grid *facts.Grid, warnings []problem.Problem) error {
	if err := grid.Write(e.stdout, f.JSON, f.Markdown); err != nil {
		return err
	}
	if f.Out != "" {
		if err := results.WriteFiles(f.Out, grid.Files()); err != nil {
			return err
		}
	}
	return f.tell(e, problem.Sort(append(warnings, grid.Problems()...)), f.Out, grid.Markdown)
}
