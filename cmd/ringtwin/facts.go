// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// factsCmd decides statements by experiments.
type factsCmd struct {
	hereOrKernels
	kernelChoice

	List   bool     `help:"List the statements, and decide none."`
	Only   []string `help:"Only these statements, and those of these groups." placeholder:"ID"`
	Bisect string   `help:"Find the first kernel between --from and --to on which this statement's experiment sees something else." placeholder:"ID"`
	From   string   `help:"The older end, as 5.10." placeholder:"VERSION"`
	To     string   `help:"The newer end, as 7.3." placeholder:"VERSION"`

	Markdown bool `help:"Write Markdown."`
	JSON     bool `name:"json" help:"Write one JSON object."`

	Jobs   int    `min:"1" max:"1000" help:"Machines that run at once. Default: as many as memory and cores allow." placeholder:"N"`
	Accel  string `default:"auto" enum:"auto,kvm,tcg" help:"How instructions are executed: auto proves KVM by booting, and emulates (tcg) where that fails."`
	CPUs   int    `name:"cpus" default:"2" min:"1" max:"255" help:"CPUs of a machine. Some experiments take two."`
	Memory int    `default:"512" min:"64" max:"16777216" help:"Memory of a machine in MiB." placeholder:"MIB"`
	QEMU   string `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
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
		return f.native(e, statements)
	}
	job, refs, err := f.job(e, kernels)
	if err != nil {
		return err
	}
	defer job.close()
	grid, err := job.grid(refs, statements)
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

// native decides the statements on this kernel.
func (f *factsCmd) native(e *env, statements []facts.Statement) error {
	if os.Geteuid() != 0 {
		return errors.New("experiments on this kernel need root: run it with sudo, or in a throwaway machine without, as in: ringtwin facts --kernel 6.1")
	}
	of, _, err := host(1)
	if err != nil {
		return err
	}
	column := facts.Column{Kernel: hostKernel, Release: of.Release, Results: map[string]facts.Result{}}
	request := session.Request{Decide: &session.Decide{IDs: facts.IDs(statements)}}
	err = nativeConn{}.Do(e.ctx, request, requestTimeout(), func(body json.RawMessage) error {
		_, err := takeResult(&column, body)
		return err
	})
	if err != nil {
		return err
	}
	return f.write(e, &facts.Grid{Statements: statements, Columns: []facts.Column{column}})
}

// takeResult adds an answer to a column.
func takeResult(column *facts.Column, body json.RawMessage) (id string, err error) {
	var result facts.Result
	if err := json.Unmarshal(body, &result); err != nil {
		return "", fmt.Errorf("read result: %w", err)
	}
	column.Results[result.ID] = result
	return result.ID, nil
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

// job prepares machines of the kernels, which are resolved.
func (f *factsCmd) job(e *env, kernels []string) (*factsJob, []kernel.Ref, error) {
	return newMachines(e, progress.New(e.stderr), &vmtestCmd{
		Kernels: kernels, kernelChoice: f.kernelChoice, VM: "qemu", Clock: record.Wall, Accel: f.Accel,
		CPUs: f.CPUs, Memory: f.Memory, QEMU: f.QEMU, Jobs: f.Jobs,
	})
}
