// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// syscallsJob is a trace of many kernels in progress.
type syscallsJob struct {
	*syscallsCmd
	*env
	cache, version, initramfs, temp string
	show                            *progress.Table

	choosing sync.Mutex // KVM is proved once
	choice   *machine.Choice
}

// inMachines takes the traces of all kernels that can be had. What went wrong
// with the others is told, and returned too.
func (s *syscallsCmd) inMachines(e *env, kernels []string) (found []trace.Kernel, errs []error, err error) {
	if err := fits(s.Memory); err != nil {
		return nil, nil, err
	}
	j := &syscallsJob{syscallsCmd: s, env: e, show: progress.New(e.stderr)}
	defer j.show.End()
	if j.cache, err = cacheDir(); err != nil {
		return nil, nil, err
	}
	if j.version, err = machine.Version(e.ctx, s.QEMU); err != nil {
		return nil, nil, err
	}
	if j.initramfs, err = initramfs.Self(filepath.Join(j.cache, "initramfs")); err != nil {
		return nil, nil, err
	}
	if j.temp, err = os.MkdirTemp("", "ringtwin-syscalls-"); err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(j.temp)
	resolver, err := j.resolver(j.cache, nil)
	if err != nil {
		return nil, nil, err
	}
	refs, err := resolveAll(j.ctx, resolver, kernels)
	if err != nil {
		return nil, nil, err
	}
	return j.run(refs)
}

// run takes as many traces at once as the host can bear.
func (j *syscallsJob) run(refs []kernel.Ref) (found []trace.Kernel, errs []error, err error) {
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return nil, nil, err
	}
	kernels := make([]trace.Kernel, len(refs))
	var tasks []fleet.Task
	for i, ref := range refs {
		kernels[i] = trace.Kernel{Name: ref.Name, Traces: make([]trace.Trace, len(j.CPUs))}
		for n, cpus := range j.CPUs {
			k := &kernelTrace{syscallsJob: j, ref: ref, cpus: cpus, found: &kernels[i].Traces[n], log: fmt.Sprintf("%d-%d.log", i, cpus)}
			tasks = append(tasks, fleet.Task{
				// A tracer that is watched runs on one CPU at a time.
				Fetch: k.fetch, Run: k.run, Threads: 1, MemoryBytes: int64(j.Memory)<<20 + overheadBytes,
			})
		}
	}
	failed := fleet.Run(j.ctx, fleet.Limits{Jobs: j.Jobs, MemoryBytes: memory / 10 * 8}, tasks)
	j.show.End()
	for of := range slices.Chunk(failed, len(j.CPUs)) {
		if i := slices.IndexFunc(of, func(err error) bool { return err != nil }); i >= 0 {
			j.explain(refs[0].Name, of[i])
			errs = append(errs, of[i])
		} else {
			found = append(found, kernels[0])
		}
		refs, kernels = refs[1:], kernels[1:]
	}
	return found, errs, nil
}

// explain says what went wrong with a kernel.
func (j *syscallsJob) explain(name string, err error) {
	var failure *machine.Failure
	switch {
	case j.ctx.Err() != nil:
		fmt.Fprintf(j.stderr, "ringtwin: %s: cancelled\n", name)
	case errors.As(err, &failure):
		fmt.Fprintf(j.stderr, "ringtwin: %s: %s", name, failure.Report())
	default:
		fmt.Fprintf(j.stderr, "ringtwin: %s: %v\n", name, err)
	}
}

// accel says on which accelerator machines run. The first kernel proves KVM.
func (j *syscallsJob) accel(cfg machine.Config) machine.Accel {
	if j.Accel != "auto" {
		return machine.Accel(j.Accel)
	}
	j.choosing.Lock()
	defer j.choosing.Unlock()
	if j.choice == nil {
		choice := machine.ChooseAccel(j.ctx, cfg, j.version, j.cache)
		j.choice = &choice
	}
	return j.choice.Accel
}

// keepChoice remembers the accelerator: a machine has booted with it.
func (j *syscallsJob) keepChoice() {
	j.choosing.Lock()
	defer j.choosing.Unlock()
	if j.choice != nil {
		j.choice.Keep()
	}
}
