// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/vmtest"
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
