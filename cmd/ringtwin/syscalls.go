// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// syscallsCmd shows the system calls of hello.
type syscallsCmd struct {
	hereOrKernels
	kernelFlags

	CPUs        []int  `name:"cpus" min:"1" max:"255" help:"Numbers of virtual CPUs, one VM for each; the calls are shown for the first. Default: 2, and 1 and 4 to show the growth." placeholder:"N,..."`
	Attach      string `default:"auto" enum:"${attaches}" help:"Attach point for execve: ${enum}. Default: ${default}."`
	Attachments bool   `help:"Show each way to attach a program to execve instead: its system calls, and its cost per execve."`
	Cost        bool   `default:"true" negatable:"" hidden:"" help:"Measure the cost of each way. The host disables this for an emulated guest in wall time, where it is meaningless."`
	Probes      bool   `help:"Show also the calls with which the library probes the kernel's features."`
	Markdown    bool   `xor:"format" help:"Write Markdown."`
	JSON        bool   `name:"json" xor:"format" help:"Write JSON, with all calls for all numbers of CPUs."`
	jobsFlag
	memoryFlag
	Clock string `default:"wall" enum:"wall,virtual" help:"Clock of a VM: the host's (wall), or virtual, one nanosecond per instruction, with one CPU. Default: ${default}."`
	accelFlag
	Timeout time.Duration `min:"1ms" max:"24h" help:"Time limit for one kernel with one number of CPUs. Default: 1m." placeholder:"TIME"`
	qemuFlag
}

// Run takes the traces and shows them.
func (s *syscallsCmd) Run(e *env) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	if err := s.check(len(names)); err != nil {
		return usageError{err}
	}
	var kernels []trace.Kernel
	var errs []error
	if len(names) == 0 {
		ctx, cancel := context.WithTimeout(e.ctx, s.timeout())
		defer cancel()
		taken, err := s.hello().Watch(ctx)
		if err != nil {
			return ownPermissions().explain(err)
		}
		kernels = []trace.Kernel{{Name: ringtwin.HostKernel, Traces: []trace.Trace{*taken}}}
	} else if kernels, errs, err = s.inMachines(e, names); err != nil {
		return err
	}
	format := trace.Format{JSON: s.JSON, Markdown: s.Markdown, Attachments: s.Attachments, Probes: s.Probes}
	if err := trace.Write(e.stdout, kernels, format); err != nil {
		return err
	}
	return outcome(errors.Join(errs...), nil) // each has been explained
}

// timeout is the flag's, or the default.
func (s *syscallsCmd) timeout() time.Duration { return cmp.Or(s.Timeout, patience.Of(time.Minute)) }

// check rejects flags that do not go together, or not with this many kernels.
func (s *syscallsCmd) check(kernels int) (err error) {
	virtual := s.Clock == record.Virtual
	switch {
	case kernels == 0 && len(s.CPUs) > 0:
		return errors.New("--cpus is for machines: name a kernel, as in: ringtwin syscalls 6.1")
	case kernels == 0 && virtual:
		return errors.New("--clock virtual is for machines: name a kernel, as in: ringtwin syscalls 6.1")
	}
	s.CPUs, err = ringtwin.TraceCPUs(s.CPUs, s.Attachments, virtual, machine.Accel(s.Accel))
	if virtual {
		s.Accel = string(machine.TCG)
	}
	return err
}

// hello is how this program's own hello is watched.
func (s *syscallsCmd) hello() *trace.Hello {
	return &trace.Hello{
		Attach: vocab.Attach(s.Attach), Attachments: s.Attachments, Cost: s.Cost,
		Args: func(kind vocab.Transport, attach vocab.Attach, pin string) []string {
			return []string{"hello", "--transport", string(kind), "--attach", string(attach), "--pin", pin}
		},
	}
}

// inMachines takes the traces of all available kernels. The errors of the others are
// explained, and returned too.
func (s *syscallsCmd) inMachines(e *env, kernels []string) (found []trace.Kernel, errs []error, err error) {
	if err := s.fits(); err != nil {
		return nil, nil, err
	}
	host, show, refs, err := e.machines(s.kernelFlags, s.qemuFlag, s.accelFlag, s.Jobs, kernels...)
	if err != nil {
		return nil, nil, err
	}
	defer show.End()
	t := &ringtwin.Trace{
		Host: host, CPUs: s.CPUs, Timeout: s.timeout(),
		Spec: vmtest.Spec{MemoryMiB: s.Memory, Virtual: s.Clock == record.Virtual, Seed: 1},
		Args: func(noCost bool) []string {
			args := []string{"syscalls", "--json", "--attach", s.Attach, "--timeout", s.timeout().String()}
			if s.Attachments {
				args = append(args, "--attachments")
			}
			if !s.Cost || noCost {
				args = append(args, "--no-cost")
			}
			return args
		},
	}
	found, all, err := t.Kernels(e.ctx, refs)
	show.End()
	for i, err := range all {
		switch {
		case err == nil:
			continue
		case e.ctx.Err() != nil:
			err = errors.New("cancelled")
		}
		errs = append(errs, err)
		e.explain(refs[i].Name, err)
	}
	return found, errs, err
}
