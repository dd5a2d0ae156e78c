// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// overheadBytes is what QEMU takes beside the guest's memory.
const overheadBytes = 150 << 20

// vmtestJob is a run in progress.
type vmtestJob struct {
	*vmtestCmd
	*env
	plan        *plan.Plan
	cache       string
	qemuVersion string
	by          backend
	initramfs   string
	allowed     console.Allowed
	show        *progress.Table
	out         *outDir
	console     func(kernel string) (path string, err error) // of its log

	choosing sync.Mutex // KVM is proved once
	choice   *machine.Choice
}

// run measures all kernels, as many at once as the host can bear.
func (j *vmtestJob) run(refs []kernel.Ref) error {
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return err
	}
	var tasks []fleet.Task
	for _, ref := range refs {
		k := &kernelJob{vmtestJob: j, ref: ref, over: make(chan struct{})}
		tasks = append(tasks, fleet.Task{
			Fetch:       k.fetch,
			Run:         k.run,
			Threads:     j.threads(),
			MemoryBytes: int64(j.Memory)<<20 + overheadBytes,
		})
		if j.Clock == clockAuto {
			tasks = append(tasks, fleet.Task{
				Run:         func(ctx context.Context, _ error) error { return k.runVirtual(ctx) },
				Threads:     1,
				MemoryBytes: int64(j.Memory)<<20 + overheadBytes,
			})
		}
		j.show.Phase(ref.Name, "wait")
	}
	// A reserve is left for the host and for this program.
	return j.finish(refs, fleet.Run(j.ctx, fleet.Limits{Jobs: j.Jobs, MemoryBytes: memory / 10 * 8}, tasks))
}

// threads is how many cores a machine keeps busy: one where its CPUs take turns.
func (j *vmtestJob) threads() int {
	if j.Accel == string(machine.KVM) || j.Accel == "auto" && machine.MayUseKVM(j.qemuVersion, j.cache) {
		return j.CPUs
	}
	return 1
}

// accel says on which accelerator machines run. The first kernel proves KVM.
func (j *vmtestJob) accel(cfg machine.Config, name string) machine.Choice {
	if j.Accel != "auto" {
		return machine.Choice{Accel: machine.Accel(j.Accel)}
	}
	j.choosing.Lock()
	defer j.choosing.Unlock()
	if j.choice == nil {
		j.show.Phase(name, "does KVM run this kernel?")
		choice := machine.ChooseAccel(j.ctx, cfg, j.qemuVersion, j.cache)
		if choice.Accel == machine.TCG {
			j.show.Note("emulation, single-threaded: " + choice.Reason)
		}
		j.choice = &choice
	}
	return *j.choice
}

// finish writes and shows the reports, and decides on the exit code.
func (j *vmtestJob) finish(refs []kernel.Ref, errs []error) error {
	j.show.End()
	var order []string
	for _, ref := range refs {
		order = append(order, ref.Name)
	}
	return j.out.conclude(j.env, order, errs, j.Details, j.explain)
}

// explain says what the report cannot: the state of a machine that failed, and
// what went wrong outside of all trials.
func (j *vmtestJob) explain(err error) {
	if j.ctx.Err() != nil {
		return // it was cancelled, and the report says so
	}
	if errors.As(err, new(*machine.UnsupportedError)) {
		return // likewise
	}
	explainFailure(j.env, err)
}

// why is the status of trials that an error kept from being measured.
func (j *vmtestJob) why(err error) (record.Status, string) {
	line := firstLine(err)
	var failure *machine.Failure
	switch {
	case j.ctx.Err() != nil:
		return record.Cancelled, line
	// First: a kernel that panicked has complained as well.
	case errors.As(err, &failure):
		return record.Status(failure.Outcome), line
	case errors.As(err, new(*splatError)):
		return record.Splat, line
	case errors.As(err, new(*fetchError)):
		return record.FetchFailed, line
	case errors.As(err, new(*machine.UnsupportedError)):
		return record.Unsupported, line
	}
	return record.Failed, line
}

// fetchError is a kernel that could not be had.
type fetchError struct{ error }

func (e *fetchError) Unwrap() error { return e.error }

// kernelJob is the work on one kernel, in machines of one kind.
type kernelJob struct {
	*vmtestJob
	ref      kernel.Ref
	bundle   *kernel.Bundle
	failed   error // of fetch
	snapshot *machine.Snapshot
	cfg      machine.Config
	// virtual says that it is the part in virtual time of a run that has another.
	virtual bool

	over     chan struct{} // closed when run has returned
	measured int           // trials
	first    record.Trial  // that was stored
}

// name of these machines, for who looks on.
func (k *kernelJob) name() string {
	if k.virtual {
		return k.ref.Name + " in virtual time"
	}
	return k.ref.Name
}

func (k *kernelJob) phase(phase string) { k.show.Phase(k.name(), phase) }

func (k *kernelJob) fetch(ctx context.Context) error {
	k.failed = k.get(ctx)
	return k.failed
}

func (k *kernelJob) get(ctx context.Context) error {
	resolver, err := k.resolver(k.cache, k.phase)
	if err != nil {
		return err
	}
	resolver.Modules = k.by.wantsModules(k.ref)
	bundle, err := resolver.Fetch(ctx, k.ref)
	if err != nil {
		return &fetchError{err}
	}
	k.bundle = bundle
	k.phase("wait")
	return nil
}

// boots returns nil if the kernel is there, and can be booted here.
func (k *kernelJob) boots() error {
	if k.failed != nil {
		return k.failed
	}
	return k.by.boots(k.bundle)
}

// run measures the plan, or what is left of it by the part in virtual time. Every
// trial is stored.
func (k *kernelJob) run(ctx context.Context, _ error) error {
	if k.over != nil {
		defer close(k.over)
	}
	why := k.boots()
	if why == nil {
		if err := k.configure(); err != nil {
			return err
		}
	}
	run := k.session(why)
	if why == nil && k.inTwoParts() { // the clock tells how long emulation takes
		run.CountsOnly = true
		run.Wants = func(s *plan.Configuration) bool { return !showsTimes(s) && s.Shows != record.ShowsCosts }
	}
	return k.measure(ctx, run)
}

// runVirtual measures in virtual time what the plan wants of costs, where the
// machines of run are emulated.
func (k *kernelJob) runVirtual(ctx context.Context) error {
	if k.boots() != nil {
		return nil // run tells why
	}
	whole := &kernelJob{vmtestJob: k.vmtestJob, ref: k.ref, bundle: k.bundle}
	if err := whole.configure(); err != nil || !whole.inTwoParts() {
		return err
	}
	part := &kernelJob{vmtestJob: k.vmtestJob, ref: k.ref, bundle: k.bundle, virtual: true}
	if err := part.configure(); err != nil {
		return err
	}
	run := part.session(nil)
	run.Wants = func(s *plan.Configuration) bool { return showsTimes(s) || s.Shows != record.ShowsDelivery }
	run.Why = func(err error) (record.Status, string) {
		if t := k.nothing(); t != nil {
			return t.Status, t.Reason
		}
		return k.why(err)
	}
	err := part.measure(ctx, run)
	if err != nil && k.nothing() != nil {
		return nil // run tells why
	}
	return err
}

// nothing is a trial that tells why run has measured none, once it has returned; nil
// if it has measured one, or has none to measure. What nothing can be measured of is so
// for one reason, which other machines may meet in another way.
func (k *kernelJob) nothing() *record.Trial {
	<-k.over
	if k.measured > 0 || k.first.ID == "" {
		return nil
	}
	return &k.first
}

// inTwoParts reports whether costs are measured in virtual time, and what is
// delivered in other machines.
func (k *kernelJob) inTwoParts() bool { return k.Clock == clockAuto && k.cfg.Accel == machine.TCG }

// showsTimes: a knee is a rate, and so a time.
func showsTimes(s *plan.Configuration) bool { return s.Sweep != nil }

// session is a run of the whole plan in these machines, or of no trial for why.
func (k *kernelJob) session(why error) *session.Run {
	by := k.made()
	run := &session.Run{
		Plan: k.plan, Seeds: k.Seeds, Phase: k.phase, Why: k.why,
		Kernel:  record.Kernel{Want: k.ref.Name},
		Timeout: k.cfg.Limits.Request,
		Machine: record.Machine{
			Backend: by.name, Version: by.version, Accel: string(machine.TCG), Clock: k.clock(),
			CPUs: k.CPUs, MemoryBytes: int64(k.Memory) << 20, Warm: !k.Cold || k.virtual,
		},
		Fresh: func(context.Context) (session.Conn, error) { return nil, why },
		Check: func(conn session.Conn, t *record.Trial) error {
			return conn.(interface{ check(*record.Trial) error }).check(t)
		},
	}
	if b := k.bundle; b != nil {
		of := &run.Kernel
		of.Release, of.Source, of.Package, of.SHA256 = b.Release, b.Source, b.Package, b.SHA256
		of.Config.Preempt, of.Config.HZ = b.Config.Preempt, b.Config.HZ
	}
	if why == nil {
		m := &run.Machine
		m.Accel, m.CPUModel, m.Command, m.CPUs = string(k.cfg.Accel), k.cfg.CPUModel(), k.command(), k.cfg.CPUs
		run.Fresh = k.fresh
		if k.cfg.Virtual {
			run.Fresh = k.freshVirtual
		}
	}
	return run
}

// measure does the run, and stores its trials.
func (k *kernelJob) measure(ctx context.Context, run *session.Run) error {
	run.Record = func(t *record.Trial) error {
		if t.Status == record.OK {
			k.measured++
		}
		if k.first.ID == "" {
			k.first = *t
		}
		return k.out.add(t)
	}
	err := run.Do(ctx)
	k.show.Done(k.name(), fmt.Sprintf("%d trials measured", k.measured))
	if k.snapshot != nil {
		err = errors.Join(err, k.snapshot.Close())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", k.name(), err)
	}
	return err
}

// clock of these machines.
func (k *kernelJob) clock() string {
	switch {
	case k.virtual:
		return record.Virtual
	case k.Clock == clockAuto:
		return record.Wall
	}
	return k.Clock
}

// made says what makes these machines: virtme-ng none in virtual time.
func (k *kernelJob) made() backend {
	if k.virtual {
		return backend{name: vmQEMU, version: k.qemuVersion}
	}
	return k.by
}

func (k *kernelJob) configure() error {
	name := k.ref.Name
	if k.virtual {
		name += "-virtual"
	}
	log, err := k.console(name)
	if err != nil {
		return err
	}
	k.cfg = machine.Config{
		QEMU: k.QEMU, Kernel: k.bundle.Image, Initramfs: k.initramfs, Console: log,
		CPUs: k.CPUs, MemoryMiB: k.Memory, Append: k.Append,
	}.Defaults()
	virtual := k.clock() == record.Virtual
	if virtual {
		k.cfg.Accel, k.cfg.CPUs = machine.TCG, virtualCPUs
	} else {
		k.cfg.Accel = k.accel(k.cfg, k.ref.Name).Accel // without virtme-ng: that takes less, and says the same
	}
	k.cfg.Limits = machine.LimitsOf(k.cfg.Accel)
	if vng := k.made().vng; vng != nil {
		k.cfg.VNG, k.cfg.Limits = vng, k.cfg.Limits.ForVNG()
	}
	if virtual {
		k.cfg.Virtual, k.cfg.Seed, k.cfg.Limits = true, k.plan.Seed, k.cfg.Limits.ForVirtual()
	}
	k.cfg.Limits = k.cfg.Limits.With(k.BootTimeout, k.RequestTimeout)
	return nil
}

// command is what repeats the machine, with names in place of directories: those
// differ from run to run and from host to host.
func (k *kernelJob) command() string {
	out, err := filepath.Abs(k.out.path)
	if err != nil {
		out = k.out.path
	}
	return strings.NewReplacer(out, "$OUT", k.cache, "$RINGTWIN_CACHE").Replace(k.cfg.Command())
}

// fresh starts a machine that nothing was done on: made of the saved one, or
// booted.
func (k *kernelJob) fresh(ctx context.Context) (session.Conn, error) {
	if ctx.Err() != nil { // of the blocks that are left none is to be started
		return nil, context.Cause(ctx)
	}
	m, err := k.start(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := m.AwaitReady(ctx); err != nil {
		return nil, err
	}
	k.keepChoice()
	return &connection{Machine: m, allowed: k.allowed}, nil
}

func (k *kernelJob) start(ctx context.Context) (*machine.Machine, error) {
	if k.Cold {
		k.phase("boot")
		return machine.Start(k.cfg)
	}
	if k.snapshot == nil {
		if err := k.prepare(ctx); err != nil {
			return nil, err
		}
	}
	k.phase("restore")
	return k.snapshot.Start(k.cfg.Console)
}

// prepare takes the machine that was saved before, or saves one.
func (k *kernelJob) prepare(ctx context.Context) (err error) {
	dir := filepath.Join(k.cache, "snapshots")
	if k.snapshot, err = machine.LoadSnapshot(dir, k.cfg, k.qemuVersion); err == nil {
		return nil
	}
	k.phase("boot, and save the machine")
	k.snapshot, err = machine.SaveSnapshot(ctx, dir, k.cfg, k.qemuVersion)
	return err
}

// keepChoice remembers the accelerator: a machine has booted with it.
func (k *kernelJob) keepChoice() {
	k.choosing.Lock()
	defer k.choosing.Unlock()
	if k.choice != nil {
		k.choice.Keep()
	}
}
