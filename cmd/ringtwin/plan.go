// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// workFlags, with the kernels and the plan, are all that what is measured depends on.
type workFlags struct {
	Clock string     `default:"auto" enum:"auto,wall,virtual" help:"Clock: the host's (wall), or virtual, one nanosecond per instruction, where the same command gives the same results. auto: the host's under KVM; for emulated VMs, costs in virtual time, and delivery by counts in VMs with several CPUs. Default: ${default}."`
	Seeds int        `default:"1" min:"1" max:"1000" help:"In virtual time: number of consecutive seeds with which to measure the plan's blocks. Each seed shifts the phase of every trial against the kernel's timers. Default: ${default}." placeholder:"N"`
	CPUs  int        `name:"cpus" min:"1" max:"255" help:"CPUs of a VM. Default: 2, and 1 in virtual time." placeholder:"N"`
	Shard plan.Shard `default:"1/1" help:"Share of the work: the I-th of N. Machines that run the same command with 1/N to N/N measure all of it, and merge joins their results." placeholder:"I/N"`
}

// check rejects what no machine can do.
func (w *workFlags) check(spec vmtest.Spec, accel machine.Accel) error {
	if !spec.Virtual && w.Seeds > 1 {
		return errors.New("--seeds is for --clock virtual, where nothing else varies: here, want --blocks")
	}
	if err := spec.Check(accel); err != nil {
		return fmt.Errorf("--clock virtual: %w", err)
	}
	return nil
}

// planCmd shows what vmtest would measure.
type planCmd struct {
	Kernels []string `arg:"" name:"kernel" help:"Kernels, as for vmtest."`
	kernelFlags
	planFlags
	workFlags
	JSON   bool `name:"json" xor:"format" help:"Print one JSON object."`
	Matrix bool `xor:"format" help:"Print the kernels in one line of JSON, for the matrix of a CI system, with a name of each that is safe for files and artifacts."`
}

// Run resolves the kernels, and boots nothing.
func (p *planCmd) Run(e *env) error {
	spec := vmtest.Spec{Virtual: p.Clock == record.Virtual, CPUs: p.CPUs}.Defaults()
	if err := p.check(spec, machine.Auto); err != nil {
		return usageError{err}
	}
	what, err := p.load(spec.CPUs, p.Seeds)
	if err != nil {
		return err
	}
	lock, err := p.lock()
	if err != nil {
		return err
	}
	show := progress.New(e.stderr)
	refs, err := vmtest.Resolve(e.ctx, vmtest.Config{Offline: p.Offline, Lock: lock, Places: kernel.PlacesFromEnvironment(), Progress: show}, p.Kernels...)
	show.End()
	if err != nil {
		return mistake(err)
	}
	work, err := (&ringtwin.Campaign{Plan: what, Clock: p.Clock, Spec: spec, Shard: p.Shard}).Work(refs)
	switch {
	case err != nil:
		return err
	case p.JSON:
		return work.WriteJSON(e.stdout)
	case p.Matrix:
		return work.WriteMatrix(e.stdout)
	}
	return work.Write(e.stdout)
}
