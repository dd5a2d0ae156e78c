// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/internal/suite"
	"github.com/ringtwin/ringtwin/vmtest"
)

// testReports are where the results of tests go, beside the terminal.
type testReports struct {
	JUnit string `name:"junit" help:"Write a report in the format of JUnit, a suite for each package and kernel." placeholder:"FILE" type:"path"`
	JSON  string `name:"json" help:"Write the events of go test -json, with the field Kernel." placeholder:"FILE" type:"path"`
}

// testCmd runs the tests of Go packages on kernels.
type testCmd struct {
	execFlags
	testReports
	Parallel int      `min:"1" max:"1000" help:"Maximum number of VMs that run at once. Default: as many as memory and cores allow." placeholder:"N"`
	Shard    string   `help:"Test only this share of packages and kernels, such as 3/8. ringtwin merge joins the shares." placeholder:"I/N"`
	Out      string   `default:"out" help:"Directory for the results of runs, which are in test below it. Default: ${default}." placeholder:"DIR"`
	Args     []string `arg:"" optional:"" passthrough:"" name:"argument" help:"Arguments of go test: flags and packages."`
}

// beforeGoFlags ends the flags of test before the first flag of go test, which has one
// dash: the parser would read each of its letters as a flag.
func beforeGoFlags(args []string) []string {
	if len(args) == 0 || args[0] != "test" && args[0] != "gotest" {
		return args
	}
	for i, word := range args {
		switch {
		case word == "--":
			return args
		case word != "-h" && strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--"):
			return slices.Insert(slices.Clone(args), i, "--")
		}
	}
	return args
}

// Run runs the tests, and prints what differs between kernels.
func (t *testCmd) Run(e *env) error {
	if err := t.fits(); err != nil {
		return err
	}
	var shard plan.Shard
	if t.Shard != "" {
		var err error
		if shard, err = plan.ParseShard(t.Shard); err != nil {
			return usageError{err}
		}
	}
	flags, err := t.flags()
	if err != nil {
		return err
	}
	host, show, refs, err := e.machines(t.kernelFlags, t.qemuFlag, t.accelFlag, t.Parallel, vmtest.Words(t.Kernel)...)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		show.End()
		return usageError{errors.New("--kernel names no kernel")}
	}
	args := t.Args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	test := &ringtwin.Test{
		Host: host, Spec: vmtest.Spec{CPUs: t.CPUs, MemoryMiB: t.Memory}, Exec: flags, Args: args, Shard: shard, Out: t.Out,
	}
	results, dir, err := test.Run(e.ctx, refs)
	show.End()
	if errors.Is(err, ringtwin.ErrUsage) {
		return usageError{err}
	}
	if results == nil {
		return err
	}
	e.explain("", err)
	told := t.tellTests(e, results, dir, host.Warnings(), &t.ciFlags)
	return cmp.Or(told, err)
}

// tellTests prints the results, writes reports, and returns the exit code.
func (t *testReports) tellTests(e *env, r *suite.Results, dir string, warnings []problem.Problem, to *ciFlags) error {
	errs := []error{r.Text(e.stdout)}
	fmt.Fprintf(e.stdout, "results: %s\n", dir)
	for _, f := range []struct {
		path  string
		write func(io.Writer) error
	}{{filepath.Join(dir, "junit.xml"), r.JUnit}, {t.JUnit, r.JUnit}, {t.JSON, r.JSON}} {
		if f.path != "" {
			errs = append(errs, writeFile(f.path, f.write))
		}
	}
	problems := problem.Sort(append(warnings, r.All()...))
	told := to.tell(e, problems, dir, func(w io.Writer) error { return r.Markdown(w, problems) })
	if err := errors.Join(errs...); err != nil && told == nil {
		return err
	}
	return told
}

// writeFile writes a report.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// flags are those for exec, which runs in the directory of each package.
func (t *testCmd) flags() ([]string, error) {
	lock, err := filepath.Abs(t.LockFile)
	if err != nil {
		return nil, err
	}
	flags := []string{
		"--lock-file=" + lock, fmt.Sprintf("--timeout=%s", t.Timeout), fmt.Sprintf("--cpus=%d", t.CPUs), fmt.Sprintf("--memory=%d", t.Memory),
		"--append=" + t.Append, "--accel=" + t.Accel, "--qemu=" + t.QEMU, fmt.Sprintf("--offline=%t", t.Offline), fmt.Sprintf("--locked=%t", t.Locked),
		fmt.Sprintf("--expect-kvm=%t", t.ExpectKVM),
	}
	host, err := t.words()
	if err != nil {
		return nil, err
	}
	flags = append(flags, host...)
	for _, env := range t.Env {
		flags = append(flags, "--env="+env)
	}
	return flags, nil
}
