// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// planFlags select what is measured.
type planFlags struct {
	Plan   string        `default:"quick" help:"Plan: a name (${plans}) or a path. Default: ${default}." placeholder:"PLAN"`
	Set    []string      `sep:"none" help:"Change an axis of the plan, in all its scenarios: payload_bytes=64,4096 or pairs=[[perf/every,ringbuf/batch=64]]. Repeatable." placeholder:"KEY=VALUE"`
	Attach string        `help:"Attach point: auto, tracepoint, kprobe, fentry, raw-tracepoint. Default: the plan's." placeholder:"POINT"`
	Blocks int           `min:"1" max:"1000" help:"Blocks of four trials. Default: the plan's, or as many as the decision needs." placeholder:"N"`
	Budget time.Duration `min:"1ms" max:"24h" help:"Time during which new blocks start on a kernel, for configurations that one block leaves undecided. Default: the plan's, or 1m." placeholder:"TIME"`
}

// outFlags set where results are stored, and how they are shown.
type outFlags struct {
	Out     string `default:"out" help:"Directory for the results of runs. Default: ${default}." placeholder:"DIR"`
	Details bool   `help:"Show every comparison with all figures, not only the answer."`
}

// load reads the plan and applies the flags, for cpus CPUs. Each seed has its blocks.
func (f *planFlags) load(cpus, seeds int) (*plan.Plan, error) {
	set := f.Set
	if f.Attach != "" {
		set = append(set, "attach="+f.Attach)
	}
	if f.Blocks != 0 { // it was given
		set = append(set, "blocks="+strconv.Itoa(f.Blocks))
	}
	if f.Budget != 0 {
		set = append(set, "budget="+f.Budget.String())
	}
	p, err := plan.LoadFor(f.Plan, set, cpus, seeds)
	if err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

// hereOrKernels selects the kernels of a command that needs no machine: the running one
// or, if any are named in either way, others.
type hereOrKernels struct {
	Kernels []string `arg:"" optional:"" name:"kernel" help:"Kernels to use in throwaway VMs, as for vmtest. Default: this kernel, which needs root."`
	Kernel  string   `help:"More kernels, separated by commas or spaces." placeholder:"KERNEL,..."`
}

// names returns the kernels, none for the running one.
func (h *hereOrKernels) names() ([]string, error) {
	more := vmtest.Words(h.Kernel)
	if h.Kernel != "" && len(more) == 0 {
		return nil, usageError{errors.New("--kernel names no kernel")}
	}
	return slices.Concat(h.Kernels, more), nil
}

// kernelFlags select the sources of kernels.
type kernelFlags struct {
	Offline  bool   `help:"Use only kernels in the cache."`
	Locked   bool   `help:"Use only kernels pinned in the lock file."`
	LockFile string `default:"kernels.lock" help:"Lock file. Default: ${default}." placeholder:"FILE"`
}

// lock reads the lock file if requested.
func (f *kernelFlags) lock() (*kernel.Lock, error) {
	if !f.Locked {
		return nil, nil
	}
	lock, err := kernel.ReadLockFile(f.LockFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (ringtwin kernels lock KERNEL... writes it)", err)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return lock, nil
}

// resolver resolves kernels according to the flags.
func (f *kernelFlags) resolver(phase func(string)) (kernel.Resolver, error) {
	cache, err := vmtest.CacheDir()
	if err != nil {
		return kernel.Resolver{}, err
	}
	lock, err := f.lock()
	return kernel.Resolver{
		Cache: kernel.Cache{Dir: cache}, Phase: phase, Offline: f.Offline, Lock: lock, Places: kernel.PlacesFromEnvironment(),
	}, err
}

// qemuFlag is what starts machines.
type qemuFlag struct {
	QEMU string `name:"qemu" default:"${qemu}" help:"QEMU program. Default: ${default}." placeholder:"PROGRAM"`
}

// accelFlag is how machines run.
type accelFlag struct {
	Accel     string `default:"auto" enum:"auto,kvm,tcg" help:"Accelerator: auto tests KVM by booting a VM, and uses emulation (tcg) if that fails. Default: ${default}."`
	ExpectKVM bool   `name:"expect-kvm" help:"Warn if machines are emulated, which is known to be slower."`
}

// emulated is what virtual time takes.
var emulated = accelFlag{Accel: string(machine.TCG)}

// jobsFlag is how many machines run.
type jobsFlag struct {
	Jobs int `min:"1" max:"1000" help:"Maximum number of VMs that run at once. Default: as many as memory and cores allow." placeholder:"N"`
}

// memoryFlag is what a machine has.
type memoryFlag struct {
	Memory int `default:"512" min:"64" max:"16777216" help:"Memory of a VM in MiB. Default: ${default}." placeholder:"MIB"`
}

// fits rejects a machine that has more memory than the host has available.
func (f memoryFlag) fits() error {
	_, have, err := vmtest.Room(f.Memory)
	if err == nil && int64(f.Memory) > have {
		err = usageError{fmt.Errorf("--memory %d: want at most %d, for this host has %d MiB available", f.Memory, have, have)}
	}
	return err
}

// appendFlag is for the kernel.
type appendFlag struct {
	Append string `help:"Parameters to append to the kernel's command line." placeholder:"WORDS"`
}

// machines returns this machine as configured by the flags, its progress, and the kernels
// that the names mean. One that does not exist has the reason instead.
func (e *env) machines(from kernelFlags, qemu qemuFlag, accel accelFlag, jobs int, kernels ...string) (*vmtest.Host, *progress.Table, []kernel.Ref, error) {
	lock, err := from.lock()
	if err != nil {
		return nil, nil, nil, err
	}
	show := progress.New(e.stderr)
	host, err := vmtest.NewHost(e.ctx, vmtest.Config{
		QEMU: qemu.QEMU, Accel: machine.Accel(accel.Accel), ExpectKVM: accel.ExpectKVM, Offline: from.Offline, Lock: lock,
		Places: kernel.PlacesFromEnvironment(), Jobs: jobs, Progress: show,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	refs, err := host.Resolve(e.ctx, kernels...)
	if err != nil {
		show.End()
		return nil, nil, nil, mistake(err)
	}
	return host, show, refs, nil
}

// getMachines is [env.machines] or [env.sure].
type getMachines func(kernelFlags, qemuFlag, accelFlag, int, ...string) (*vmtest.Host, *progress.Table, []kernel.Ref, error)

// sure is the same, and rejects a kernel that does not exist.
func (e *env) sure(from kernelFlags, qemu qemuFlag, accel accelFlag, jobs int, kernels ...string) (*vmtest.Host, *progress.Table, []kernel.Ref, error) {
	host, show, refs, err := e.machines(from, qemu, accel, jobs, kernels...)
	for _, ref := range refs {
		if err := ref.Unresolved(); err != nil {
			show.End()
			return nil, nil, nil, mistake(err)
		}
	}
	return host, show, refs, err
}

// machine is the same for the one kernel of --kernel.
func (e *env) machine(from kernelFlags, qemu qemuFlag, accel accelFlag, name string) (*vmtest.Host, *progress.Table, kernel.Ref, error) {
	host, show, refs, err := e.sure(from, qemu, accel, 0, name)
	if err != nil {
		return nil, nil, kernel.Ref{}, err
	}
	if len(refs) != 1 {
		show.End()
		return nil, nil, kernel.Ref{}, usageError{fmt.Errorf("--kernel %s: that is %d kernels, want one", name, len(refs))}
	}
	return host, show, refs[0], nil
}
