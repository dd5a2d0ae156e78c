// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"golang.org/x/term"
)

// execCmd runs a user's program on a kernel.
type execCmd struct {
	Kernel string `required:"" help:"Kernels, as for vmtest, separated by commas or spaces. The program runs on one after the other." placeholder:"KERNEL"`
	kernelFlags
	Program string        `arg:"" help:"A static program."`
	Args    []string      `arg:"" optional:"" passthrough:"" help:"Its arguments."`
	Dir     string        `help:"Directory to copy into the VM; the program starts in it. Default for a Go test binary: the current directory." placeholder:"DIR"`
	In      []string      `help:"File to copy into the VM, to the same path or to PATH. Repeatable." placeholder:"FILE[=PATH]" sep:"none"`
	Fetch   []string      `help:"File to copy out of the VM when the program has ended; with several kernels, the kernel's name is appended. Repeatable." placeholder:"PATH[=FILE]" sep:"none"`
	Core    string        `help:"File for the core dump, if a signal ends the program and leaves one." placeholder:"FILE"`
	Env     []string      `help:"Environment variable, with a value or with its value here. Default: only PATH, HOME and TMPDIR. Repeatable." placeholder:"NAME[=VALUE]" sep:"none"`
	Timeout time.Duration `default:"10m" min:"1ms" max:"720h" help:"Time limit of the program. Default: ${default}."`
	CPUs    int           `name:"cpus" default:"2" min:"1" max:"255" help:"CPUs of a VM. Default: ${default}." placeholder:"N"`
	memoryFlag
	appendFlag
	accelFlag
	qemuFlag
}

// Run runs the program on every kernel, one after the other. It forwards the output, and
// returns the first exit code that is not 0. An error has its own code.
func (x *execCmd) Run(e *env) error {
	code, err := x.run(e)
	if err != nil {
		return execError{err}
	}
	return exitError(code)
}

func (x *execCmd) run(e *env) (failed int, err error) {
	if err := x.fits(); err != nil {
		return 0, err
	}
	program := &vmtest.Program{
		Path: x.Program, Args: x.Args, Env: x.Env, Dir: x.Dir, In: x.In, Fetch: x.Fetch, Core: x.Core, Timeout: x.Timeout,
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		program.Stdin = os.Stdin
	}
	packed, err := program.Pack(e.ctx)
	switch {
	case err != nil && e.ctx.Err() != nil:
		return 0, err
	case err != nil:
		return 0, usageError{err}
	}
	defer packed.Close()
	quiet := &env{e.ctx, e.stdout, io.Discard} // standard error is the program's
	host, _, refs, err := quiet.machines(x.kernelFlags, x.qemuFlag, x.Accel, 0, vmtest.Words(x.Kernel)...)
	if err != nil {
		return 0, err
	}
	if len(refs) == 0 {
		return 0, usageError{errors.New("--kernel names no kernel")}
	}
	for _, ref := range refs {
		if e.ctx.Err() != nil {
			return 0, context.Cause(e.ctx)
		}
		code, err := x.on(e, host, ref, packed, len(refs) > 1)
		if err != nil {
			return 0, err
		}
		failed = cmp.Or(failed, code)
	}
	return failed, nil
}

// on runs the program on one kernel, of one or of several, and returns its exit code.
func (x *execCmd) on(e *env, host *vmtest.Host, ref kernel.Ref, packed *vmtest.Packed, several bool) (code int, err error) {
	bundle, err := host.Fetch(e.ctx, ref, false)
	if err != nil {
		return 0, mistake(err)
	}
	if several {
		fmt.Fprintf(e.stderr, "== %s, %s\n", ref.Name, cmp.Or(bundle.Release, "release not known"))
	}
	spec := vmtest.Spec{CPUs: x.CPUs, MemoryMiB: x.Memory, Append: x.Append}
	code, err = host.Exec(e.ctx, bundle, spec, packed, e.stdout, e.stderr, func(file string) string {
		if several { // each kernel's own
			return file + "." + results.FileName(ref.Name)
		}
		return file
	})
	if errors.As(err, new(*machine.Failure)) {
		e.explain("", err)
		return exitExec, nil
	}
	return code, err
}
