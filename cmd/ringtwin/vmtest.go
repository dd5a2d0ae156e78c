// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
)

// vmtestCmd is the main job.
type vmtestCmd struct {
	Kernels []string `arg:"" name:"kernel" help:"A version (6.1, 6.1.192, 6.1+rt), a pattern (6.*, 5.10..6.12, all, latest, lts), either with its source (mainline:6.5), an image in a registry (oci:IMAGE), host, or the path of an image or of a built tree."`
	kernelFlags
	planFlags
	workFlags
	outFlags
	ciFlags
	jobsFlag
	accelFlag
	memoryFlag
	appendFlag
	qemuFlag

	Profile        bool          `help:"Count each instruction by kernel function, and write profiles for pprof and flame graphs: in virtual time exactly, and the results are the same without; with --clock wall of VMs with several CPUs, and what these share too, by QEMU before 9.2."`
	Caches         string        `help:"With --profile, a model of caches: 'default', or the sizes and ways of L1D,L1I,L2, as in 48K/12,32K/8,1280K/20; of VMs with one CPU. Profiles then have misses and a model of cycles, which is no time." placeholder:"CACHES"`
	Cold           bool          `help:"Boot every VM instead of restoring a snapshot."`
	VM             string        `name:"vm" default:"qemu" enum:"qemu,vng" help:"Program that starts the VMs: qemu, or virtme-ng (vng), which boots a new VM with this system's root for each block and needs a kernel with 9p. Default: ${default}."`
	Allow          string        `help:"File of splats on the console to ignore, one per line: PATTERN # reason." placeholder:"FILE"`
	BootTimeout    time.Duration `min:"1ms" max:"24h" help:"Time limit until a VM is ready. Default: 60s emulated, 20s under KVM, five times that with virtme-ng." placeholder:"TIME"`
	RequestTimeout time.Duration `min:"1ms" max:"24h" help:"Time limit of a VM for a trial, in addition to the duration of the trial. Default: 60s emulated, 20s under KVM." placeholder:"TIME"`
}

// Run boots every kernel and measures the plan on it.
func (v *vmtestCmd) Run(e *env) error {
	if err := v.checkClock(); err != nil {
		return usageError{err}
	}
	p, err := v.load(v.CPUs, v.Seeds)
	if err != nil {
		return err
	}
	if err := v.haveCPUs(p); err != nil {
		return usageError{err}
	}
	caches, err := v.caches()
	if err != nil {
		return usageError{err}
	}
	allowed, err := console.ReadAllowedFile(v.Allow)
	if err != nil {
		return usageError{err}
	}
	if err := v.fits(); err != nil {
		return err
	}
	host, show, refs, err := e.machines(v.kernelFlags, v.qemuFlag, v.accelFlag, v.Jobs, v.Kernels...)
	if err != nil {
		return err
	}
	defer show.End()
	if _, err := host.Version(e.ctx, vmtest.Backend(v.VM)); err != nil {
		return err
	}
	out, err := results.New(v.Out, p)
	if err != nil {
		return err
	}
	c := &ringtwin.Campaign{Host: host, Plan: p, Clock: v.Clock, Seeds: v.Seeds, Results: out, Spec: v.spec(), Shard: v.Shard, Profile: v.Profile, Caches: caches}
	c.Spec.Allowed = allowed
	errs, err := c.Run(e.ctx, refs)
	show.End()
	if errors.Is(err, ringtwin.ErrEmptyShare) {
		nothing := func(w io.Writer) error {
			_, failed := fmt.Fprintf(w, "%v\n", err)
			return failed
		}
		fmt.Fprintf(e.stdout, "%v\n\nfiles: %s\n", err, out.Path)
		return v.tell(e, nil, out.Path, nothing)
	}
	if err != nil {
		return err
	}
	return e.conclude(out, kernel.Names(refs), errs, v.Details, &v.ciFlags, host.Warnings())
}

// haveCPUs returns an error if producers whose lines are counted would share a CPU: they
// take no lines from each other there.
func (v *vmtestCmd) haveCPUs(p *plan.Plan) error {
	if !v.Profile || v.Clock != record.Wall {
		return nil
	}
	configurations, err := p.Configurations(v.CPUs)
	if err != nil {
		return err
	}
	for i := range configurations {
		for _, cell := range configurations[i].Cells {
			need := cell.Producers
			if cell.Placement == vocab.Apart {
				need++ // the reader's
			}
			if cell.Producers == 1 || need <= v.CPUs || cell.Workload != vocab.Storm || cell.RateHz != 0 || cell.Placement != vocab.Apart && cell.Placement != vocab.Spread {
				continue
			}
			return fmt.Errorf("--profile --clock wall: plan %s has %d producers, each on a CPU of its own: want --cpus %d or more, or fewer by --set producers=1,2", p.Name, cell.Producers, need)
		}
	}
	return nil
}

// caches is the model, or nil.
func (v *vmtestCmd) caches() (*plugin.Caches, error) {
	switch {
	case v.Caches == "":
		return nil, nil
	case !v.Profile:
		return nil, errors.New("--caches is for profiles: want --profile")
	case v.Clock == record.Wall && v.CPUs > 1:
		return nil, errors.New("--caches models those of one CPU: want --clock virtual, or --cpus 1")
	case v.Caches == "default":
		v.Caches = plugin.DefaultCaches
	}
	c, err := plugin.ParseCaches(v.Caches)
	if err != nil {
		return nil, fmt.Errorf("--caches: %w", err)
	}
	return c, nil
}

// checkClock rejects unsupported combinations, and sets what depends on the clock.
func (v *vmtestCmd) checkClock() error {
	spec := v.spec()
	if err := v.check(spec, machine.Accel(v.Accel)); err != nil {
		return err
	}
	if v.Profile {
		switch {
		case v.Cold:
			return errors.New("--profile: VMs are restored with the plugin that counts: want no --cold")
		case v.Clock == record.Wall && spec.CPUs > plugin.MaxCPUs:
			return fmt.Errorf("--profile counts VMs of at most %d CPUs, not %d", plugin.MaxCPUs, spec.CPUs)
		case v.VM == string(vmtest.VNG):
			return errors.New("--profile: virtme-ng has no snapshots, from which profiled VMs are restored: want --vm qemu")
		case v.Accel == string(machine.KVM):
			return errors.New("--profile: KVM does not count instructions: want --accel tcg")
		}
		v.Accel = string(machine.TCG)
	}
	if v.CPUs = spec.CPUs; spec.Virtual {
		v.Accel = string(machine.TCG)
	}
	return nil
}

// spec configures machines from the flags.
func (v *vmtestCmd) spec() vmtest.Spec {
	return vmtest.Spec{
		Backend: vmtest.Backend(v.VM), Virtual: v.Clock == record.Virtual, CPUs: v.CPUs, MemoryMiB: v.Memory, Append: v.Append, Cold: v.Cold,
		BootTimeout: v.BootTimeout, RequestTimeout: v.RequestTimeout,
	}.Defaults()
}
