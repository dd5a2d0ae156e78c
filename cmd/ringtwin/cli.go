// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/hello"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/bounds"
	"github.com/ringtwin/ringtwin/internal/completion"
	"github.com/ringtwin/ringtwin/internal/output"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// Exit codes. An infrastructure error never hides a failed comparison.
const (
	exitOK     = 0
	exitFailed = 1 // the twins differ, a ledger does not balance, or a statement does not hold
	exitUsage  = 2
	exitInfra  = 3 // infrastructure, or a planned trial was not measured
	// exitExec is for errors that keep exec from running a program to its end, usage
	// errors too: any lower code may be the program's.
	exitExec = 125
)

// cli is the command line.
type cli struct {
	Vmtest     vmtestCmd     `cmd:"" help:"Boot kernels in throwaway VMs and compare the transports on each."`
	Plan       planCmd       `cmd:"" help:"Show what vmtest would measure, or a shard of it, without booting."`
	Merge      mergeCmd      `cmd:"" help:"Join the results of shards, or of a matrix of kernels, in one run with one report."`
	Run        runCmd        `cmd:"" help:"Measure a plan on this kernel, without a VM."`
	Exec       execCmd       `cmd:"" help:"Run a program, or a test binary for go test -exec, in a throwaway VM on a kernel. The exit code is the program's, or 125 if it did not run to its end or the kernel complained."`
	Test       testCmd       `cmd:"" help:"Run the tests of Go packages on many kernels at once, and show what differs between kernels."`
	Gotest     testCmd       `cmd:"" hidden:"" help:"An earlier name of test."`
	Facts      factsCmd      `cmd:"" help:"Decide statements about the transports by experiments, on many kernels or on this one."`
	Bisect     bisectCmd     `cmd:"" help:"Find the kernels between two versions at which a figure changed."`
	Size       sizeCmd       `cmd:"" help:"Compute how large the rings must be for a load, and prove it."`
	Kernels    kernelsCmd    `cmd:"" help:"List, fetch, lock and prune kernels."`
	Hello      helloCmd      `cmd:"" help:"Trace every execve on this kernel, over either transport, until Ctrl-C; set and dump the messages meanwhile."`
	Syscalls   syscallsCmd   `cmd:"" help:"Show the tracer's system calls over either transport, and how they grow with the CPUs."`
	Selftest   selftestCmd   `cmd:"" help:"Inject known faults into measurements, in a VM and on this kernel, and check that each is reported."`
	Doctor     doctorCmd     `cmd:"" help:"Check what this machine can do, and print advice on what is missing."`
	Report     reportCmd     `cmd:"" help:"Show result files, several as one report."`
	Compare    compareCmd    `cmd:"" help:"Compare two result files, or two subsets, and apply gates to B."`
	Explain    explainCmd    `cmd:"" help:"Tell by which kernel functions the instructions of two transports, or of two kernels, differ. The results must be of vmtest --profile."`
	Help       helpCmd       `cmd:"" help:"Print a page of the documentation, or list the pages."`
	Completion completionCmd `cmd:"" help:"Print a script that completes command lines in bash, zsh or fish."`
	Version    versionCmd    `cmd:"" help:"Show the version, the commit and the BPF objects of this program, as --version does, and QEMU's version."`
	Guest      guestCmd      `cmd:"" hidden:"" help:"Answer requests in a VM that virtme-ng started."`
}

// env is passed to every command.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// usageError makes the exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// execError makes the exit code [exitExec].
type execError struct{ error }

func (e execError) Unwrap() error { return e.error }

// exitError ends the program with a code and without a message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run runs the command line args, without the program's name, and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output.Writer{Writer: stdout}
	code := runCommand(ctx, args, out, stderr)
	if out.Err != nil && code == exitOK {
		code = exitCode(fmt.Errorf("write output: %w", out.Err), stderr)
	}
	return code
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--version" {
		args = slices.Concat([]string{"version"}, args[1:])
	}
	args = beforeGoFlags(args)
	exited := -1
	parser := newParser(stdout, stderr, func(code int) { exited = code })
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err == nil {
		err = bounds.Check(parsed)
	}
	if err != nil {
		err = usageError{fmt.Errorf("%w (ringtwin --help)", err)}
		if len(args) > 0 && args[0] == "exec" {
			err = execError{err}
		}
		return exitCode(err, stderr)
	}
	e := &env{ctx, stdout, stderr}
	err = parsed.Run(e)
	tellStopped(e, parsed.Selected().Target.Addr().Interface(), err)
	return exitCode(err, stderr)
}

// newParser makes a parser of the command line, which calls exit after --help.
func newParser(stdout, stderr io.Writer, exit func(int)) *kong.Kong {
	parser, err := kong.New(&cli{},
		kong.Name("ringtwin"),
		kong.Description("Compares the perf buffer with the BPF ring buffer: the same execve load under twin eBPF programs, on many kernels, every event accounted for."),
		kong.Vars{"plans": strings.Join(plan.Names(), ", "), "metrics": strings.Join(verdict.Slugs(), ", "), "pin": hello.DefaultPin, "sources": strings.Join(kernel.SourceNames(), ","), "formats": strings.Join(report.FormatNames(), ","), "filters": strings.Join(verdict.FilterKeys(), ", "), "qemu": machine.DefaultQEMU, "attaches": vocab.AttachWords(), "shells": strings.Join(completion.Shells(), ",")},
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(func(options kong.HelpOptions, ctx *kong.Context) error {
			if c := ctx.Selected(); c != nil && c.DefaultCmd != nil { // show its flags too
				c.Positional, c.Flags = append(c.Positional, c.DefaultCmd.Positional...), append(c.Flags, c.DefaultCmd.Flags...)
			}
			return kong.DefaultHelpPrinter(options, ctx)
		}),
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	return parser
}

func exitCode(err error, stderr io.Writer) int {
	var code exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(stderr, "ringtwin: %v\n", err)
	switch {
	case errors.As(err, new(execError)):
		return exitExec
	case errors.As(err, new(usageError)):
		return exitUsage
	}
	return exitInfra
}

// explain prints errors, named if there are several, and the state of a failed machine.
func (e *env) explain(name string, errs ...error) {
	if name != "" {
		name += ": "
	}
	for _, err := range errs {
		var failure *machine.Failure
		if errors.As(err, &failure) {
			fmt.Fprintf(e.stderr, "ringtwin: %s%s", name, failure.Report())
		} else if err != nil {
			fmt.Fprintf(e.stderr, "ringtwin: %s%v\n", name, err)
		}
	}
}

// outcome makes an error that has been explained an exit code: that of a failure, or of
// anything else.
func outcome(err, failure error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, failure):
		return exitError(exitFailed)
	}
	return exitError(exitInfra)
}

// needsRoot says of what needs root on this kernel how it is done without.
func needsRoot(err error, what, without string) error {
	if errors.Is(err, ringtwin.ErrRoot) {
		return fmt.Errorf("%s on this kernel needs root: run it with sudo, or in a throwaway machine without, as in: %s", what, without)
	}
	return err
}

// mistake makes a kernel that does not exist a usage error.
func mistake(err error) error {
	if vmtest.IsMistake(err) {
		return usageError{err}
	}
	return err
}
