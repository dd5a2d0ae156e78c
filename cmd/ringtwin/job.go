package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// requestTimeout is for a request beyond the time that its plan asks for.
const requestTimeout = 60 * time.Second

// vmtestJob is a run in progress.
type vmtestJob struct {
	*vmtestCmd
	*env
	plan        *plan.Plan
	cache       string
	qemuVersion string
	initramfs   string
	allowed     console.Allowed
	show        *progress
	out         *outDir
}

// kernel measures the plan on one kernel. Every trial of the plan is stored,
// the ones that were not measured with the reason.
func (j *vmtestJob) kernel(f foundKernel) error {
	have := record.Machine{
		Backend: "qemu", Version: j.qemuVersion, Accel: string(machine.TCG), Clock: "wall",
		CPUs: j.CPUs, MemoryBytes: int64(j.Memory) << 20,
	}
	if f.err != nil {
		return j.missing(record.Kernel{Want: f.want}, have, j.outcome(record.FetchFailed), f.err)
	}
	of := record.Kernel{
		Want: f.want, Release: f.bundle.Release, Source: f.bundle.Source, Package: f.bundle.Package, SHA256: f.bundle.SHA256,
		Config: record.KernelConfig{Preempt: f.bundle.Config.Preempt, HZ: f.bundle.Config.HZ},
	}
	console, err := j.out.console(f.want)
	if err != nil {
		return err
	}
	cfg := machine.Config{
		QEMU: j.QEMU, Kernel: f.bundle.Image, Initramfs: j.initramfs, Console: console,
		CPUs: j.CPUs, MemoryMiB: j.Memory, Append: j.Append,
	}.Defaults()
	choice := j.accel(cfg, f.want)
	cfg.Accel = choice.Accel
	have.Accel, have.CPUModel, have.Command = string(cfg.Accel), cfg.CPUModel(), cfg.Command()

	j.show.phase(fmt.Sprintf("%s: boot", f.want))
	m, err := machine.Start(cfg)
	if err != nil {
		return j.missing(of, have, j.outcome(record.BootFailed), err)
	}
	defer m.Kill()
	ready, err := m.AwaitReady(j.ctx, j.BootTimeout)
	if err != nil {
		return j.missing(of, have, j.outcome(record.BootFailed), err)
	}
	choice.Keep()
	of.Release, have.CPUs = ready.Release, ready.CPUs
	return j.measure(m, of, have)
}

// accel says on which accelerator the machine will run, and why.
func (j *vmtestJob) accel(cfg machine.Config, want string) machine.Choice {
	if j.Accel != "auto" {
		return machine.Choice{Accel: machine.Accel(j.Accel)}
	}
	j.show.phase(want + ": does KVM run this kernel?")
	choice := machine.ChooseAccel(j.ctx, cfg, j.qemuVersion, j.cache)
	if choice.Accel == machine.TCG {
		j.show.phase(want + ": emulation, single-threaded: " + choice.Reason)
	}
	return choice
}

// measure runs the plan on a machine that is ready.
func (j *vmtestJob) measure(m *machine.Machine, of record.Kernel, have record.Machine) error {
	stored := map[string]bool{}
	run := session.Run{
		Conn: m, Plan: j.plan, Kernel: of, Machine: have, Timeout: requestTimeout,
		Phase: func(name string) { j.show.phase(of.Want + ": " + name) },
		Check: func(t *record.Trial) error { return j.splat(m, t) },
		Record: func(t *record.Trial) error {
			stored[t.ID] = true
			return j.out.add(t)
		},
	}
	err := run.Do(j.ctx)
	switch {
	case err == nil, isOnly(err, session.ErrDiffer):
		j.show.phase(of.Want + ": power off")
		return errors.Join(err, m.Stop())
	case errors.As(err, new(machine.GuestError)):
		// It answered, and could not do it: the VM is not what failed.
		return j.missing(of, have, j.outcome(record.Invalid), err, stored)
	default:
		return j.missing(of, have, j.outcome(record.Lost), err, stored)
	}
}

// splat takes a trial's figures away if the kernel has complained on its
// console, even if the guest went on: what a broken kernel does is no
// measurement.
func (j *vmtestJob) splat(m *machine.Machine, t *record.Trial) error {
	events, err := m.Complaints()
	if err != nil {
		return err
	}
	if worst, ok := console.Worst(j.allowed.Filter(events)); ok && t.Status != record.Invalid {
		t.Status = record.Splat
		t.Reason = fmt.Sprintf("%s: %s (line %d of the console)", worst.Kind, worst.Line, worst.At)
	}
	return nil
}

// isOnly reports whether err is target and no connection failed beside it.
func isOnly(err, target error) bool {
	return errors.Is(err, target) && !errors.As(err, new(*machine.Failure))
}

// outcome is the status of trials that did not run, unless the failure says more.
func (j *vmtestJob) outcome(otherwise record.Status) record.Status {
	if j.ctx.Err() != nil {
		return record.Cancelled
	}
	return otherwise
}

// missing stores every trial of the plan that is not stored yet with what kept
// it from being measured, and returns the reason.
func (j *vmtestJob) missing(of record.Kernel, have record.Machine, status record.Status, reason error, stored ...map[string]bool) error {
	var failure *machine.Failure
	if errors.As(reason, &failure) {
		status = record.Status(failure.Outcome)
	}
	trials, err := j.plan.Trials(of.Want, have.CPUs)
	if err != nil {
		return errors.Join(reason, err)
	}
	for i := range trials {
		t := &trials[i]
		if len(stored) > 0 && stored[0][t.ID] {
			continue
		}
		t.Kernel, t.Machine, t.Status, t.Reason = of, have, status, firstLine(reason)
		if err := j.out.add(t); err != nil {
			return errors.Join(reason, err)
		}
	}
	j.show.end()
	if failure != nil && status != record.Cancelled {
		fmt.Fprintf(j.stderr, "%s: %s", of.Want, failure.Report())
	}
	return fmt.Errorf("%s: %w", of.Want, reason)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// finish writes and shows the reports, and decides on the exit code.
func (j *vmtestJob) finish(errs []error) error {
	j.show.end()
	comparisons, err := j.out.finish()
	if err := report.Terminal(j.stdout, comparisons); err != nil {
		return err
	}
	fmt.Fprintf(j.stdout, "\nfiles: %s\n", j.out.path)
	code := exitOK
	for _, err := range append(errs, err) {
		if err == nil {
			continue
		}
		if errors.Is(err, session.ErrDiffer) {
			fmt.Fprintf(j.stderr, "ringtwin: %v\n", err)
			code = exitFailed
			continue
		}
		if code == exitOK {
			code = exitInfra
		}
		if !errors.As(err, new(*machine.Failure)) && j.ctx.Err() == nil {
			fmt.Fprintf(j.stderr, "ringtwin: %v\n", err) // a failure was shown in full
		}
	}
	for i := range comparisons {
		switch c := &comparisons[i]; {
		case c.Statuses[record.Invalid] > 0:
			code = exitFailed
		case c.Measured() < c.Planned && code == exitOK:
			code = exitInfra
		}
	}
	if len(comparisons) == 0 && code == exitOK {
		code = exitInfra // nothing measured is never green
	}
	if code == exitOK {
		return nil
	}
	return exitError(code)
}
