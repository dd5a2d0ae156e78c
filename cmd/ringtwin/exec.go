// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// execFlags select kernels, and the machine that a program runs in.
type execFlags struct {
	Kernel string `required:"" help:"Kernels, as for vmtest, separated by commas or spaces. The program runs on one after the other." placeholder:"KERNEL"`
	kernelFlags
	hostFlags
	Env     []string      `help:"Environment variable, with a value or with its value here. Default: what a login sets, and Go's variables as they are here. Repeatable." placeholder:"NAME[=VALUE]" sep:"none"`
	Timeout time.Duration `default:"10m" min:"1ms" max:"720h" help:"Time limit of the program. Default: ${default}."`
	CPUs    int           `name:"cpus" default:"2" min:"1" max:"255" help:"CPUs of a VM. Default: ${default}." placeholder:"N"`
	memoryFlag
	appendFlag
	accelFlag
	qemuFlag
	ciFlags
}

// execCmd runs a user's program on a kernel.
type execCmd struct {
	execFlags
	Program     string   `arg:"" help:"An executable; its libraries are brought along."`
	Args        []string `arg:"" optional:"" passthrough:"" help:"Its arguments."`
	Dir         string   `help:"Directory to bring along; the program starts in it. Default for a Go test binary: the current directory, with all of its module that git does not ignore." placeholder:"DIR"`
	In          []string `help:"File or directory to bring along, to the same path or to PATH; a program with its libraries. Repeatable." placeholder:"FILE[=PATH]" sep:"none"`
	Fetch       []string `help:"File or directory to bring back when the program has ended; with several kernels, the kernel's name is appended. Repeatable." placeholder:"PATH[=FILE]" sep:"none"`
	TTY         bool     `name:"tty" short:"t" help:"Give the program a terminal."`
	Core        string   `help:"File for the core dump, if a signal ends the program and leaves one." placeholder:"FILE"`
	KeepConsole string   `help:"File for the kernel's log; with several kernels, the kernel's name is appended." placeholder:"FILE"`
}

// Run runs the program on every kernel, one after the other. It forwards the output, and
// returns the first exit code that is not 0. An error has its own code.
func (x *execCmd) Run(e *env) error {
	each, host, err := x.run(e)
	if err != nil {
		return execError{err}
	}
	if len(each.On) > 1 {
		if err := each.Text(e.stderr); err != nil {
			return execError{err}
		}
	}
	if err := ringtwin.PassOn(append(host.Warnings(), each.Broken()...)); err != nil {
		return execError{err}
	}
	if len(each.On) == 1 && len(each.Broken()) == 0 && x.Annotations == "auto" {
		x.Annotations = "off" // go test, or who else runs it, tells of the program's own result
	}
	told := x.tell(e, problem.Sort(append(host.Warnings(), each.Problems()...)), "", each.Markdown)
	if told != nil && each.Code() == 0 {
		return execError{told}
	}
	return exitError(each.Code())
}

func (x *execCmd) run(e *env) (*ringtwin.Each, *vmtest.Host, error) {
	if err := x.fits(); err != nil {
		return nil, nil, err
	}
	program := &vmtest.Program{
		Path: x.Program, Args: x.Args, Env: x.Env, Dir: x.Dir, In: x.In, Fetch: x.Fetch, Core: x.Core, Timeout: x.Timeout,
	}
	allowed, err := x.host(program)
	if err != nil {
		return nil, nil, usageError{err}
	}
	// Signals are the program's, once it runs.
	signals, stop := passSignals(e)
	defer stop()
	e = signals.env
	packed, err := program.Pack(e.ctx)
	switch {
	case err != nil && e.ctx.Err() != nil:
		return nil, nil, err
	case err != nil:
		return nil, nil, usageError{err}
	}
	quiet := &env{e.ctx, e.stdout, io.Discard} // standard error is the program's
	host, refs, err := x.kernels(quiet)
	if err != nil {
		return nil, nil, err
	}
	streams, restore, err := x.streams(e, signals, len(refs) > 1)
	if err != nil {
		return nil, nil, err
	}
	defer restore()
	each := &ringtwin.Each{What: strings.Join(append([]string{x.Program}, x.Args...), " ")}
	for _, ref := range refs {
		if e.ctx.Err() != nil {
			return nil, nil, context.Cause(e.ctx)
		}
		each.On = append(each.On, x.on(e, host, ref, &execRun{packed, allowed, streams, len(refs) > 1}))
	}
	return each, host, nil
}

// kernels returns this machine and the kernels of the flags, of which there is one at
// least.
func (x *execFlags) kernels(e *env) (*vmtest.Host, []kernel.Ref, error) {
	host, show, refs, err := e.machines(x.kernelFlags, x.qemuFlag, x.accelFlag, 0, vmtest.Words(x.Kernel)...)
	if err != nil {
		return nil, nil, err
	}
	show.End()
	if len(refs) == 0 {
		return nil, nil, usageError{errors.New("--kernel names no kernel")}
	}
	return host, refs, nil
}

// execRun is what all kernels have in common.
type execRun struct {
	packed  *vmtest.Packed
	allowed console.Allowed
	streams func() vmtest.Streams
	several bool
}

// on runs the program on one kernel, of one or of several.
func (x *execCmd) on(e *env, host *vmtest.Host, ref kernel.Ref, run *execRun) ringtwin.OnKernel {
	on := ringtwin.OnKernel{Kernel: ref.Name}
	failed := func(err error) ringtwin.OnKernel {
		e.explain("", err)
		on.Code, on.Problems = exitExec, []problem.Problem{ringtwin.ProblemOf(ref.Name, err)}
		return on
	}
	bundle, err := host.Fetch(e.ctx, ref, len(x.Module) > 0)
	if err != nil {
		return failed(err)
	}
	on.Release = bundle.Release
	if run.several && x.annotates() {
		ci.Group(e.stderr, ref.Name)
		defer ci.EndGroup(e.stderr)
	} else if run.several {
		fmt.Fprintf(e.stderr, "== %s, %s\n", ref.Name, cmp.Or(bundle.Release, "release not known"))
	}
	named := func(file string) string {
		if run.several { // each kernel's own
			return file + "." + results.FileName(ref.Name)
		}
		return file
	}
	spec := vmtest.Spec{CPUs: x.CPUs, MemoryMiB: x.Memory, Append: x.Append, Allowed: run.allowed}
	if x.KeepConsole != "" {
		spec.Console = named(x.KeepConsole)
	}
	if on.Code, err = host.Exec(e.ctx, bundle, spec, run.packed, run.streams(), named); err != nil {
		return failed(err)
	}
	return on
}
