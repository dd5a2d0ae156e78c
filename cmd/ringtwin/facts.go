// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// factsCmd decides statements by experiments.
type factsCmd struct {
	hereOrKernels
	kernelFlags

	List   bool     `help:"List the statements, and decide none."`
	Only   []string `help:"Only these statements, and those of these groups." placeholder:"ID"`
	Bisect string   `help:"Find the first kernel between --from and --to on which this statement's experiment sees something else." placeholder:"ID"`
	From   string   `help:"The older end, as 5.10." placeholder:"VERSION"`
	To     string   `help:"The newer end, as 7.3." placeholder:"VERSION"`

	Markdown bool `help:"Write Markdown."`
	JSON     bool `name:"json" help:"Write one JSON object."`

	jobsFlag
	accelFlag
	CPUs int `name:"cpus" default:"2" min:"1" max:"255" help:"CPUs of a machine. Some experiments take two. Default: ${default}." placeholder:"N"`
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
		return f.list(e, statements)
	case f.Bisect != "":
		return f.bisect(e)
	case len(kernels) == 0:
		return f.here(e, statements)
	}
	grid, err := f.decide(e, kernels, func(decide decideFunc, refs []kernel.Ref) (*facts.Grid, error) { return decide(refs, statements) })
	if err != nil {
		return err
	}
	return f.write(e, grid)
}

// check refuses flags that do not go together, or with so many kernels.
func (f *factsCmd) check(kernels int) error {
	bisects := f.Bisect != ""
	switch {
	case f.JSON && f.Markdown:
		return errors.New("want one of --json and --markdown")
	case bisects != (f.From != "") || bisects != (f.To != ""):
		return errors.New("--bisect, --from and --to go together")
	case bisects && (kernels > 0 || len(f.Only) > 0 || f.List || f.JSON || f.Markdown):
		return errors.New("--bisect takes --from and --to, and neither kernels nor --only, --list, --json, --markdown")
	}
	return nil
}

// list prints the statements.
func (f *factsCmd) list(e *env, statements []facts.Statement) error {
	if f.JSON {
		return json.NewEncoder(e.stdout).Encode(statements)
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "group\tstatement\tsince\twhat it says\tsource")
	for _, s := range statements {
		since := "-"
		if s.Since > 0 {
			since = s.Since.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Group, s.ID, since, s.Text, s.Source)
	}
	return table.Flush()
}

// here decides the statements on this kernel.
func (f *factsCmd) here(e *env, statements []facts.Statement) error {
	grid, err := ringtwin.DecideHere(e.ctx, statements)
	if errors.Is(err, ringtwin.ErrRoot) {
		err = errors.New("experiments on this kernel need root: run it with sudo, or in a throwaway machine without, as in: ringtwin facts --kernel 6.1")
	}
	if err != nil {
		return err
	}
	return f.write(e, grid)
}

// decideFunc makes the experiments on some kernels, and explains what went wrong.
type decideFunc func([]kernel.Ref, []facts.Statement) (*facts.Grid, error)

// decide prepares machines of the kernels for what is made of them.
func (f *factsCmd) decide(e *env, kernels []string, with func(decideFunc, []kernel.Ref) (*facts.Grid, error)) (*facts.Grid, error) {
	if err := f.fits(); err != nil {
		return nil, err
	}
	host, show, err := e.host(f.kernelFlags, f.qemuFlag, f.Accel, f.Jobs)
	if err != nil {
		return nil, err
	}
	defer show.End()
	refs, err := host.Resolve(e.ctx, kernels...)
	show.End()
	if err != nil {
		return nil, mistake(err)
	}
	spec := vmtest.Spec{CPUs: f.CPUs, MemoryMiB: f.Memory}
	return with(func(refs []kernel.Ref, statements []facts.Statement) (*facts.Grid, error) {
		grid, errs, err := ringtwin.Decide(e.ctx, host, spec, refs, statements)
		show.End()
		for _, err := range errs {
			if err != nil && e.ctx.Err() == nil {
				e.explain(err)
			}
		}
		return grid, err
	}, refs)
}

// bisect finds the first kernel on which a statement's experiment sees something
// else, and prints every step.
func (f *factsCmd) bisect(e *env) error {
	statements, err := facts.Select([]string{f.Bisect})
	if err == nil && len(statements) != 1 {
		err = fmt.Errorf("--bisect %s: that is a group; want one statement", f.Bisect)
	}
	if err != nil {
		return usageError{err}
	}
	_, err = f.decide(e, []string{f.From + ".." + f.To}, func(decide decideFunc, refs []kernel.Ref) (*facts.Grid, error) {
		return nil, f.steps(e, decide, refs, statements)
	})
	return err
}

func (f *factsCmd) steps(e *env, decide decideFunc, refs []kernel.Ref, statements []facts.Statement) error {
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), f.From, f.To)}
	}
	fmt.Fprintf(e.stdout, "%s: %s\n%d kernels from %s to %s, at most %d boots\n\n",
		f.Bisect, statements[0].Text, len(refs), refs[0].Name, refs[len(refs)-1].Name, 2+bits.Len(uint(len(refs)-2)))
	step := 0
	first, err := facts.Bisect(len(refs), func(i int) (facts.Result, error) {
		grid, err := decide(refs[i:i+1], statements)
		if err != nil {
			return facts.Result{}, err
		}
		result, ok := grid.Columns[0].Results[f.Bisect]
		if !ok {
			return result, exitError(exitInfra) // and it has been explained
		}
		step++
		_, err = fmt.Fprintf(e.stdout, "%d. %s (%s): %s: %s\n", step, refs[i].Name, grid.Columns[0].Release, result.Verdict, firstLine(errors.New(result.Seen)))
		return result, err
	})
	if errors.Is(err, facts.ErrSame) {
		fmt.Fprintf(e.stdout, "\nno boundary: %s and %s are the same\n", refs[0].Name, refs[len(refs)-1].Name)
		return exitError(exitFailed)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\nthe first to differ is %s; the one before is %s\n", refs[first].Name, refs[first-1].Name)
	return err
}

// write shows the grid, and turns what it says into an exit code.
func (f *factsCmd) write(e *env, grid *facts.Grid) error {
	write := grid.Text
	switch {
	case f.JSON:
		write = grid.JSON
	case f.Markdown:
		write = grid.Markdown
	}
	if err := write(e.stdout); err != nil {
		return err
	}
	switch err := grid.Err(); {
	case errors.Is(err, facts.ErrFails):
		return exitError(exitFailed)
	case err != nil:
		return exitError(exitInfra)
	}
	return nil
}
