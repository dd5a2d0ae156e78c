// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// vmtestCmd is the main job.
type vmtestCmd struct {
	Kernels []string `arg:"" name:"kernel" help:"A version (6.1, 6.1.192, 6.1+rt), a pattern (6.*, 5.10..6.12, all, latest, lts), either with its source (mainline:6.5), an image in a registry (oci:IMAGE), host, or the path of an image or of a built tree."`
	kernelChoice

	planChoice
	Jobs int    `min:"1" max:"1000" help:"Machines that run at once. Default: as many as memory and cores allow." placeholder:"N"`
	Cold bool   `help:"Boot every machine, instead of making it of one that was saved when it was ready."`
	Out  string `default:"out" help:"Directory of the runs." placeholder:"DIR"`

	VM             string        `name:"vm" default:"qemu" enum:"qemu,vng" help:"What makes the machines: qemu, or virtme-ng (vng), which boots them anew for each block, with this system's root; it needs a kernel with 9p."`
	Accel          string        `default:"auto" enum:"auto,kvm,tcg" help:"How instructions are executed: auto proves KVM by booting, and emulates (tcg) where that fails."`
	Clock          string        `default:"auto" enum:"auto,wall,virtual" help:"What time is: the host's (wall), or virtual, one nanosecond an instruction, where the same command gives the same results. auto: the host's under KVM; where machines are emulated costs in virtual time, and what is delivered by counts, in machines of several CPUs."`
	Seeds          int           `default:"1" min:"1" max:"1000" help:"In virtual time: measure the plan's blocks again with so many seeds in a row, each another phase of every trial against the kernel's timers." placeholder:"N"`
	CPUs           int           `name:"cpus" min:"1" max:"255" help:"CPUs of a machine. Default: 2, and 1 in virtual time." placeholder:"N"`
	Memory         int           `default:"512" min:"64" max:"16777216" help:"Memory of a machine in MiB." placeholder:"MIB"`
	Allow          string        `help:"File of complaints on the console that are let pass: PATTERN # reason." placeholder:"FILE"`
	Append         string        `help:"More words for the kernel's command line." placeholder:"WORDS"`
	BootTimeout    time.Duration `min:"1ms" max:"24h" help:"How long a machine may take until it is ready. Default: 60s emulated, 20s under KVM, five times that with virtme-ng." placeholder:"TIME"`
	RequestTimeout time.Duration `min:"1ms" max:"24h" help:"How long a machine may take for a trial, beyond what the trial itself takes. Default: 60s emulated, 20s under KVM." placeholder:"TIME"`
	QEMU           string        `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
}

// Run boots every kernel and measures the plan on it.
func (v *vmtestCmd) Run(e *env) error {
	if err := v.checkClock(); err != nil {
		return usageError{err}
	}
	p, err := v.load()
	if err == nil {
		if v.Seeds > 1 {
			p.Blocks = max(p.Blocks, 1) * v.Seeds
		}
		err = p.Check()
	}
	if err != nil {
		return usageError{err}
	}
	if _, err := p.Configurations(v.CPUs); err != nil {
		return usageError{err}
	}
	allowed, err := v.allowed()
	if err != nil {
		return usageError{err}
	}
	if err := fits(v.Memory); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	version, err := machine.Version(e.ctx, v.QEMU)
	if err != nil {
		return err
	}
	by, err := v.backend(e.ctx, version)
	if err != nil {
		return err
	}
	archive, err := initramfs.Self(filepath.Join(cache, "initramfs"))
	if err != nil {
		return err
	}
	show := progress.New(e.stderr)
	defer show.End()
	refs, err := v.resolve(e.ctx, cache, show)
	if err != nil {
		return err
	}
	out, err := newOutDir(v.Out, p)
	if err != nil {
		return err
	}
	job := &vmtestJob{
		vmtestCmd: v, env: e, plan: p, cache: cache, qemuVersion: version, by: by, initramfs: archive,
		allowed: allowed, show: show, out: out, console: out.console,
	}
	return job.run(refs)
}

func (v *vmtestCmd) allowed() (console.Allowed, error) {
	if v.Allow == "" {
		return nil, nil
	}
	file, err := os.Open(v.Allow)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	allowed, err := console.ReadAllowed(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Allow, err)
	}
	return allowed, nil
}

// resolve finds out what all words mean before anything is fetched or booted:
// a kernel that does not exist is a mistake of the user's, who should not wait
// for it. A name is used once: it is that of logs and trials.
func (v *vmtestCmd) resolve(ctx context.Context, cache string, show *progress.Table) ([]kernel.Ref, error) {
	var all []kernel.Ref
	seen, names := map[kernel.Ref]bool{}, map[string]int{}
	for _, want := range v.Kernels {
		resolver, err := v.resolver(cache, func(name string) { show.Phase(want, name) })
		if err != nil {
			return nil, err
		}
		refs, err := resolver.Resolve(ctx, want)
		show.Forget(want)
		if err = kernelError(err); errors.As(err, new(usageError)) {
			return nil, err
		}
		if err != nil {
			// The archive cannot be asked: that is for the report to say.
			refs = []kernel.Ref{kernel.Unresolved(want, err)}
		}
		for _, ref := range refs {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			if names[ref.Name]++; names[ref.Name] > 1 {
				ref.Name = fmt.Sprintf("%s-%d", ref.Name, names[ref.Name])
			}
			all = append(all, ref)
		}
	}
	return all, nil
}
