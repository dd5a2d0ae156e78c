// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// execCmd runs somebody's own program on a kernel.
type execCmd struct {
	Kernel string `required:"" help:"Kernels, as for vmtest, with commas or spaces between. The program runs on one after the other." placeholder:"KERNEL"`
	kernelChoice
	Program string        `arg:"" help:"A static program."`
	Args    []string      `arg:"" optional:"" passthrough:"" help:"Its arguments."`
	Dir     string        `help:"A directory to take along; the program starts in it. Default, for a test binary of Go: the current one." placeholder:"DIR"`
	In      []string      `help:"A file to take along, to the same path or to another." placeholder:"FILE[=PATH]" sep:"none"`
	Fetch   []string      `help:"A file to bring back when the program has ended; with the name of the kernel behind it, if there are several." placeholder:"PATH[=FILE]" sep:"none"`
	Core    string        `help:"Where to bring the core dump, if a signal ends the program and leaves one." placeholder:"FILE"`
	Env     []string      `help:"A variable of the environment, with a value or as it is here. Default: none but PATH, HOME and TMPDIR." placeholder:"NAME[=VALUE]" sep:"none"`
	Timeout time.Duration `default:"10m" min:"1ms" max:"720h" help:"How long the program may run."`
	CPUs    int           `name:"cpus" default:"2" min:"1" max:"255" help:"Virtual CPUs."`
	Memory  int           `default:"512" min:"64" max:"16777216" help:"Memory of the machine in MiB." placeholder:"MIB"`
	Append  string        `help:"More words for the kernel's command line." placeholder:"WORDS"`
	Accel   string        `default:"auto" enum:"auto,kvm,tcg" help:"How instructions are executed: auto proves KVM by booting, and emulates (tcg) where that fails."`
	QEMU    string        `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
}

// Where things lie in the machine.
const (
	guestProgram = "ringtwin/program"
	guestStdin   = "ringtwin/stdin"
)

// maxTaken bounds what goes into a machine's memory with a program, in bytes.
const maxTaken = 256 << 20

// Run runs the program on every kernel, one after the other, and passes on its
// output and the first exit code that is not 0. An error has a code of its own.
func (x *execCmd) Run(e *env) error {
	code, err := x.run(e)
	switch {
	case err != nil:
		return execError{err}
	case code != exitOK:
		return exitError(code)
	}
	return nil
}

func (x *execCmd) run(e *env) (failed int, err error) {
	if err := fits(x.Memory); err != nil {
		return 0, err
	}
	files, command, err := x.pack(e.ctx)
	switch {
	case e.ctx.Err() != nil:
		return 0, err
	case err != nil:
		return 0, usageError{err}
	}
	cache, err := cacheDir()
	if err != nil {
		return 0, err
	}
	version, err := machine.Version(e.ctx, x.QEMU)
	if err != nil {
		return 0, err
	}
	resolver, err := x.resolver(cache, nil)
	if err != nil {
		return 0, err
	}
	refs, err := resolveAll(e.ctx, resolver, kernelWords(x.Kernel))
	if err != nil {
		return 0, err
	}
	if len(refs) == 0 {
		return 0, usageError{errors.New("--kernel names no kernel")}
	}
	temp, err := os.MkdirTemp("", "ringtwin-exec-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	r := &execRun{execCmd: x, env: e, several: len(refs) > 1, command: command, temp: temp, cache: cache, version: version}
	if err := initramfs.WriteFile(r.archive(), files); err != nil {
		return 0, err
	}
	for _, ref := range refs {
		if e.ctx.Err() != nil {
			return 0, context.Cause(e.ctx)
		}
		code, err := r.on(resolver, ref)
		if err != nil {
			return 0, err
		}
		failed = cmp.Or(failed, code)
	}
	return failed, nil
}

// execRun is a program on its way through kernels.
type execRun struct {
	*execCmd
	*env
	several        bool
	command        guest.Command
	temp           string // directory of what is needed while it runs
	cache, version string
}

func (r *execRun) archive() string { return filepath.Join(r.temp, "initramfs.cpio.lz4") }

// on runs the program on one kernel and returns its exit code.
func (r *execRun) on(resolver kernel.Resolver, ref kernel.Ref) (code int, err error) {
	bundle, err := resolver.Fetch(r.ctx, ref)
	if err != nil {
		return 0, kernelError(err)
	}
	if r.several {
		fmt.Fprintf(r.stderr, "== %s, %s\n", ref.Name, cmp.Or(bundle.Release, "release not known"))
	}
	cfg := machine.Config{
		QEMU: r.QEMU, Kernel: bundle.Image, Initramfs: r.archive(), Console: filepath.Join(r.temp, "console.log"),
		CPUs: r.CPUs, MemoryMiB: r.Memory, Append: r.Append, Accel: machine.Accel(r.Accel),
	}.Defaults()
	keep := func() {}
	if r.Accel == "auto" {
		choice := machine.ChooseAccel(r.ctx, cfg, r.version, r.cache)
		cfg.Accel, keep = choice.Accel, choice.Keep
		cfg.Limits = machine.LimitsOf(cfg.Accel)
	}
	code, err = r.boot(r.env, cfg, r.command, keep, func(file string) string {
		if r.several { // each kernel's own
			return file + "." + fileName(ref.Name)
		}
		return file
	})
	var failure *machine.Failure
	if errors.As(err, &failure) {
		fmt.Fprintf(r.stderr, "ringtwin: %s", failure.Report())
		return exitExec, nil
	}
	return code, err
}

func (x *execCmd) boot(e *env, cfg machine.Config, command guest.Command, keep func(), named func(string) string) (code int, err error) {
	m, err := machine.Start(cfg)
	if err != nil {
		return 0, err
	}
	defer m.Kill()
	if _, err := m.AwaitReady(e.ctx); err != nil {
		return 0, err
	}
	keep()
	fetched := map[string]*os.File{}
	defer func() {
		for _, file := range fetched {
			err = errors.Join(err, file.Close())
		}
	}()
	err = m.Exec(e.ctx, command, x.Timeout, func(o guest.Output) error {
		switch {
		case o.Exit != nil:
			code = *o.Exit
			return nil
		case o.File != nil:
			return x.receive(command.Dir, o.File, fetched, named)
		}
		_, err := e.stdout.Write(o.Stdout)
		_, errErr := e.stderr.Write(o.Stderr)
		return errors.Join(err, errErr)
	})
	if err != nil {
		return 0, err
	}
	for _, path := range command.Fetch {
		if fetched[path] == nil {
			fmt.Fprintf(e.stderr, "ringtwin: fetch %s: the program has left no such file\n", path)
		}
	}
	return code, m.Stop()
}

// receive writes a piece of a fetched file to where it is wanted.
func (x *execCmd) receive(dir string, piece *guest.File, open map[string]*os.File, named func(string) string) error {
	file := open[piece.Path]
	if file == nil {
		wanted, err := x.wanted(dir)
		if err != nil {
			return err
		}
		target := wanted[piece.Path]
		if target == "" {
			return fmt.Errorf("the guest sent %s, which nobody wanted", piece.Path)
		}
		if file, err = os.Create(named(target)); err != nil {
			return fmt.Errorf("bring back file: %w", err)
		}
		open[piece.Path] = file
	}
	data, err := piece.Data()
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return err
}
