// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"golang.org/x/sys/unix"
)

// syscallsCmd shows what hello asks of the kernel.
type syscallsCmd struct {
	hereOrKernels
	kernelChoice

	CPUs        []int         `name:"cpus" min:"1" max:"255" help:"Numbers of virtual CPUs, each of a machine; the calls are shown of the first. Default: 2, and 1 and 4 for how they grow." placeholder:"N,..."`
	Attach      string        `default:"auto" enum:"${attaches}" help:"Where to hook into execve: ${enum}."`
	Attachments bool          `help:"Show instead each way to attach a program to execve: the calls behind it, and what it costs an execve."`
	Cost        bool          `default:"true" negatable:"" hidden:"" help:"Measure what each way costs. A host says no where the guest is emulated: in wall time that would mean nothing."`
	Probes      bool          `help:"Show the calls too by which the library finds out what the kernel can do."`
	Markdown    bool          `xor:"format" help:"Write Markdown."`
	JSON        bool          `name:"json" xor:"format" help:"Write JSON, with all calls of all numbers of CPUs."`
	Jobs        int           `min:"1" max:"1000" help:"Kernels at once. Default: as many as memory and cores allow." placeholder:"N"`
	Memory      int           `default:"512" min:"64" max:"16777216" help:"Memory of a machine in MiB." placeholder:"MIB"`
	Clock       string        `default:"wall" enum:"wall,virtual" help:"What time is in a machine: the host's, or virtual, one nanosecond an instruction, with one CPU."`
	Accel       string        `default:"auto" enum:"auto,kvm,tcg" help:"How instructions are executed: auto proves KVM by booting, and emulates (tcg) where that fails."`
	Timeout     time.Duration `min:"1ms" max:"24h" help:"How long it may take, of one kernel with one number of CPUs. Default: 1m." placeholder:"TIME"`
	QEMU        string        `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
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
		taken, err := s.take(ctx)
		if err != nil {
			return explainPermission(err)
		}
		kernels = []trace.Kernel{{Name: hostKernel, Traces: []trace.Trace{*taken}}}
	} else if kernels, errs, err = s.inMachines(e, names); err != nil {
		return err
	}
	if err := s.show(e, kernels); err != nil {
		return err
	}
	if len(errs) > 0 {
		return exitError(exitInfra) // each has been told
	}
	return nil
}

// timeout is the flag's, or the default.
func (s *syscallsCmd) timeout() time.Duration { return cmp.Or(s.Timeout, patience.Of(time.Minute)) }

// check refuses flags that do not go together, or with so many kernels.
func (s *syscallsCmd) check(kernels int) error {
	if kernels == 0 && len(s.CPUs) > 0 {
		return errors.New("--cpus is for machines: name a kernel, as in: ringtwin syscalls 6.1")
	}
	if err := s.checkClock(kernels); err != nil {
		return err
	}
	switch {
	case len(s.CPUs) > 0:
	case s.Clock == record.Virtual:
		s.CPUs = []int{virtualCPUs}
	case s.Attachments:
		// With two that are emulated, a kernel panicked now and then while a
		// trampoline was patched in.
		s.CPUs = []int{1}
	default:
		s.CPUs = []int{2, 1, 4}
	}
	seen := map[int]bool{}
	for _, n := range s.CPUs {
		if seen[n] {
			return fmt.Errorf("--cpus %d: want each number once", n)
		}
		seen[n] = true
	}
	return nil
}

// checkClock refuses what cannot be in virtual time, as vmtest does.
func (s *syscallsCmd) checkClock(kernels int) error {
	switch {
	case s.Clock != record.Virtual:
		return nil
	case kernels == 0:
		return errors.New("--clock virtual is for machines: name a kernel, as in: ringtwin syscalls 6.1")
	case len(s.CPUs) > 0 && !slices.Equal(s.CPUs, []int{virtualCPUs}):
		return errors.New("--clock virtual: want --cpus 1, for the turns that several take are the host's")
	case s.Accel == string(machine.KVM):
		return errors.New("--clock virtual: want --accel tcg, for KVM does not count instructions")
	}
	s.Accel = string(machine.TCG)
	return nil
}

// show writes what was found, if anything was.
func (s *syscallsCmd) show(e *env, kernels []trace.Kernel) error {
	for i := range kernels {
		kernels[i].Growth = trace.Grow(kernels[i].Traces)
	}
	switch {
	case len(kernels) == 0:
		return nil
	case s.JSON:
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		return out.Encode(kernels)
	case s.Attachments && s.Markdown:
		return trace.AttachmentsMarkdown(e.stdout, kernels)
	case s.Attachments:
		return trace.AttachmentsText(e.stdout, kernels)
	case s.Markdown:
		return trace.Markdown(e.stdout, kernels, s.Probes)
	}
	return trace.Text(e.stdout, kernels, s.Probes)
}

// tracePin is where the tracer that is watched pins its messages: not where one
// that runs has its own.
const tracePin = "/sys/fs/bpf/ringtwin/syscalls"

// take watches this program's own hello on this kernel.
func (s *syscallsCmd) take(ctx context.Context) (*trace.Trace, error) {
	cpus, err := trial.CPUs()
	if err != nil {
		return nil, err
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("read the kernel's release: %w", err)
	}
	pin, release, err := reservePin()
	if err != nil {
		return nil, err
	}
	defer release()
	taken := &trace.Trace{Release: unix.ByteSliceToString(uts.Release[:]), CPUs: len(cpus)}
	if s.Attachments {
		taken.Attachments, err = s.takeAttachments(ctx, pin)
		return taken, err
	}
	// What the tracer would try first is no part of it.
	attach, err := bpf.ResolveAttach(vocab.Attach(s.Attach))
	if err != nil {
		return nil, err
	}
	taken.Attach = string(attach)
	for _, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
		calls, err := watchHello(ctx, kind, attach, pin)
		if err != nil {
			return nil, err
		}
		taken.Sequences = append(taken.Sequences, trace.Sequence{Transport: string(kind), Calls: calls})
	}
	return taken, nil
}

// takeAttachments watches it once for each way to attach, and measures what that
// costs. One that the kernel does not have is no error, unless it has none.
func (s *syscallsCmd) takeAttachments(ctx context.Context, pin string) (all []trace.Attachment, err error) {
	if _, err := bpf.ResolveAttach(vocab.AttachAuto); err != nil {
		return nil, err
	}
	for _, attach := range vocab.Attaches() {
		a := trace.Attachment{Attach: string(attach)}
		if _, err := bpf.ResolveAttach(attach); err != nil {
			a.Unsupported = firstLine(err)
			all = append(all, a)
			continue
		}
		calls, err := watchHello(ctx, vocab.Ringbuf, attach, pin)
		if err != nil {
			return nil, err
		}
		a.Calls = trace.Attaching(calls)
		if s.Cost {
			if a.Cost, err = trace.MeasureCost(attach); err != nil {
				return nil, fmt.Errorf("measure the cost of %s: %w", attach, err)
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// reservePin keeps the pin for this process until it is released, and takes away
// what one that was killed has left there. The path is always the same, for it is
// part of what is shown; it is empty where there is no bpffs.
func reservePin() (path string, release func(), err error) {
	if bpf.OnBPFFS(tracePin) != nil {
		return "", func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(filepath.Dir(tracePin)))
	if err != nil {
		return "", nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another ringtwin syscalls is at work on this kernel: wait for its end")
	}
	if err == nil {
		if err = os.Remove(tracePin); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return "", nil, errors.Join(err, dir.Close())
	}
	return tracePin, func() { _ = dir.Close() }, nil
}

// watchHello returns the calls of this program's own hello.
func watchHello(ctx context.Context, kind vocab.Transport, attach vocab.Attach, pin string) ([]trace.Call, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	calls, err := trace.Take(ctx, []string{self, "hello", "--transport", string(kind), "--attach", string(attach), "--pin", pin})
	if err != nil {
		if pin != "" {
			_ = os.Remove(pin) // it may have been killed
		}
		return nil, fmt.Errorf("watch hello over %s, attached by %s: %w", kind, attach, err)
	}
	return calls, nil
}
