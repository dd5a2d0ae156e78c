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
		k := &kernelJob{vmtestJob: j, ref: ref}
		tasks = append(tasks, fleet.Task{
			Fetch:       k.fetch,
			Run:         k.run,
			Threads:     j.threads(),
			MemoryBytes: int64(j.Memory)<<20 + overheadBytes,
		})
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
	return j.out.conclude(j.env, order, errs, j.explain)
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

// kernelJob is the work on one kernel.
type kernelJob struct {
	*vmtestJob
	ref    kernel.Ref
	bundle *kernel.Bundle
	warm   *machine.Warm
	cfg    machine.Config
}

func (k *kernelJob) phase(name string) { k.show.Phase(k.ref.Name, name) }

func (k *kernelJob) fetch(ctx context.Context) error {
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

// run measures the plan. Every trial of it is stored.
func (k *kernelJob) run(ctx context.Context, fetched error) (err error) {
	of := record.Kernel{Want: k.ref.Name}
	have := record.Machine{
		Backend: k.VM, Version: k.by.version, Accel: string(machine.TCG), Clock: k.Clock,
		CPUs: k.CPUs, MemoryBytes: int64(k.Memory) << 20, Warm: !k.Cold,
	}
	why := fetched // nothing can be measured
	if why == nil {
		b := k.bundle
		of.Release, of.Source, of.Package, of.SHA256 = b.Release, b.Source, b.Package, b.SHA256
		of.Config.Preempt, of.Config.HZ = b.Config.Preempt, b.Config.HZ
		why = k.by.boots(b)
	}
	fresh := func(context.Context) (session.Conn, error) { return nil, why }
	if why == nil {
		if err := k.configure(); err != nil {
			return err
		}
		have.Accel, have.CPUModel, have.Command, have.CPUs = string(k.cfg.Accel), k.cfg.CPUModel(), k.command(), k.cfg.CPUs
		fresh = k.fresh
		if k.cfg.Virtual {
			fresh = k.freshVirtual
		}
	}
	measured := 0
	run := session.Run{
		Fresh: fresh, Plan: k.plan, Kernel: of, Machine: have, Timeout: k.cfg.Limits.Request,
		Seeds: k.Seeds, Phase: k.phase, Why: k.why,
		Check: func(conn session.Conn, t *record.Trial) error {
			return conn.(interface{ check(*record.Trial) error }).check(t)
		},
		Record: func(t *record.Trial) error {
			if t.Status == record.OK {
				measured++
			}
			return k.out.add(t)
		},
	}
	err = run.Do(ctx)
	k.show.Done(k.ref.Name, fmt.Sprintf("%d trials measured", measured))
	if k.warm != nil {
		err = errors.Join(err, k.warm.Close())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", k.ref.Name, err)
	}
	return err
}

func (k *kernelJob) configure() error {
	log, err := k.console(k.ref.Name)
	if err != nil {
		return err
	}
	k.cfg = machine.Config{
		QEMU: k.QEMU, Kernel: k.bundle.Image, Initramfs: k.initramfs, Console: log,
		CPUs: k.CPUs, MemoryMiB: k.Memory, Append: k.Append,
	}.Defaults()
	k.cfg.Accel = k.accel(k.cfg, k.ref.Name).Accel // without virtme-ng: that takes less, and says the same
	k.cfg.Limits = machine.LimitsOf(k.cfg.Accel)
	if k.by.vng != nil {
		k.cfg.VNG, k.cfg.Limits = k.by.vng, k.cfg.Limits.ForVNG()
	}
	if k.Clock == record.Virtual {
		k.cfg.Virtual, k.cfg.Seed, k.cfg.Limits = true, k.plan.Seed, k.cfg.Limits.ForVirtual()
	}
	k.cfg.Limits = k.cfg.Limits.With(k.BootTimeout, k.RequestTimeout)
	return nil
}

// command is what repeats the machine, with names in place of folders: those
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
	if k.warm == nil {
		if err := k.prepare(ctx); err != nil {
			return nil, err
		}
	}
	k.phase("restore")
	return k.warm.Start(k.cfg.Console)
}

// prepare takes the machine that was saved before, or saves one.
func (k *kernelJob) prepare(ctx context.Context) (err error) {
	folder := filepath.Join(k.cache, "warm")
	if k.warm, err = machine.LoadWarm(folder, k.cfg, k.qemuVersion); err == nil {
		return nil
	}
	k.phase("boot, and save the machine")
	k.warm, err = machine.SaveWarm(ctx, folder, k.cfg, k.qemuVersion)
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
