// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
)

// kernelRun is the work of a campaign on one kernel, in one or two parts: machines with
// the host's clock, and beside them machines in virtual time.
type kernelRun struct {
	*Campaign
	ref    kernel.Ref
	bundle *kernel.Bundle
	failed error // of fetch
	share  func(*plan.Configuration) bool

	over  chan struct{} // closed when run has returned
	first record.Trial  // that was stored by run
	ok    int           // trials that run has measured
}

func (k *kernelRun) fetch(ctx context.Context) error {
	k.bundle, k.failed = k.Host.Fetch(ctx, k.ref, k.Spec.Backend.WantsModules(k.ref))
	return k.failed
}

// run measures the plan, or what is left of it by the part in virtual time.
func (k *kernelRun) run(ctx context.Context, _ error) error {
	defer close(k.over)
	part := part{kernelRun: k, virtual: k.Clock == record.Virtual}
	defer func() { k.first, k.ok = part.first, part.ok }()
	err := k.failed
	if err == nil {
		part.machines, err = k.machines(ctx, k.ref, k.bundle, part.virtual)
	}
	if err != nil {
		return part.none(ctx, err)
	}
	if part.machines.Config().Accel != machine.TCG || k.Clock != ClockAuto {
		return part.measure(ctx, part.session(ctx))
	}
	run := part.session(ctx) // the clock tells how long emulation takes
	run.CountsOnly = true
	run.Wants = func(c *plan.Configuration) bool { return !showsTimes(c) && c.Shows != record.ShowsCosts }
	return part.measure(ctx, run)
}

// runVirtual measures the plan's costs in virtual time, if the machines of run are
// emulated.
func (k *kernelRun) runVirtual(ctx context.Context) error {
	if k.failed != nil {
		return nil // run tells why
	}
	whole, err := k.machines(ctx, k.ref, k.bundle, false)
	if err != nil {
		return nil // likewise
	}
	emulated := whole.Config().Accel == machine.TCG
	if err := whole.Close(); err != nil || !emulated {
		return err
	}
	part := part{kernelRun: k, virtual: true}
	if part.machines, err = k.machines(ctx, k.ref, k.bundle, true); err != nil {
		return err
	}
	run := part.session(ctx)
	run.Wants = func(c *plan.Configuration) bool { return showsTimes(c) || c.Shows != record.ShowsDelivery }
	run.Why = func(err error) (record.Status, string) {
		if t := k.nothing(); t != nil {
			return t.Status, t.Reason
		}
		return why(ctx, err)
	}
	err = part.measure(ctx, run)
	if err != nil && k.nothing() != nil {
		return nil // run tells why
	}
	return err
}

// nothing waits until run has returned, and returns a trial with the reason why it
// measured none; nil if it measured one, or has none to measure. There is one reason,
// which other machines may meet in another way.
func (k *kernelRun) nothing() *record.Trial {
	<-k.over
	if k.ok > 0 || k.first.ID == "" {
		return nil
	}
	return &k.first
}

// showsTimes: a knee is a rate, and so depends on time.
func showsTimes(c *plan.Configuration) bool { return c.Sweep != nil }

// part is the work on one kernel in machines of one kind.
type part struct {
	*kernelRun
	virtual  bool
	machines *vmtest.Machines // nil: there are none

	first record.Trial // that was stored
	ok    int          // trials
}

func (p *part) name() string { return p.specOf(p.ref, p.virtual).Name }

// none stores every planned trial with the reason why it was not measured.
func (p *part) none(ctx context.Context, err error) error {
	run := p.session(ctx)
	run.Fresh = func(context.Context) (session.Conn, error) { return nil, err }
	return p.measure(ctx, run)
}

// session is a run of the whole plan in these machines.
func (p *part) session(ctx context.Context) *session.Run {
	spec := p.specOf(p.ref, p.virtual).Defaults()
	run := &session.Run{
		Plan: p.Plan, Seeds: p.Seeds, Share: p.share,
		Phase:   func(phase string) { p.Host.Progress.Phase(p.name(), phase) },
		Why:     func(err error) (record.Status, string) { return why(ctx, err) },
		Kernel:  record.Kernel{Want: p.ref.Name},
		Machine: record.Machine{Backend: string(spec.Backend), Version: p.version, Accel: string(machine.TCG), Clock: record.Wall},
	}
	if p.virtual {
		run.Machine.Clock = record.Virtual
	}
	run.Profile = p.Profile && (p.virtual || p.Clock == record.Wall)
	if spec.Backend == vmtest.QEMU {
		run.Machine.Version = p.Host.QEMUVersion()
	}
	if b := p.bundle; b != nil {
		of := &run.Kernel
		of.Release, of.Source, of.Package, of.SHA256 = b.Release, b.Source, b.Package, b.SHA256
		of.Config.Preempt, of.Config.HZ = b.Config.Preempt, b.Config.HZ
	}
	m := &run.Machine
	if p.machines != nil {
		cfg := p.machines.Config()
		spec = p.machines.Spec()
		m.Accel, m.CPUModel, m.Command = string(cfg.Accel), cfg.CPUModel(), p.command(cfg)
		run.Timeout = cfg.Limits.Request
		run.Fresh = func(ctx context.Context) (session.Conn, error) { return p.fresh(p.machines.Fresh(ctx)) }
	}
	m.CPUs, m.MemoryBytes, m.Warm = spec.CPUs, int64(spec.MemoryMiB)<<20, !spec.Cold
	return run
}

// fresh keeps a nil guest from becoming a non-nil connection.
func (p *part) fresh(g *vmtest.Guest, err error) (session.Conn, error) {
	if err != nil {
		return nil, err
	}
	return connection{g, p.Caches}, nil
}

// connection is a guest that can count: package session does not know plugins.
type connection struct {
	*vmtest.Guest
	caches *plugin.Caches
}

// DoCounted is [session.Counter]'s.
func (c connection) DoCounted(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage, func(int) (*profile.Counted, error)) error) error {
	return c.Guest.DoCounted(ctx, request, timeout, c.caches, func(body json.RawMessage, read func(first, last int) (*plugin.Counted, error)) error {
		return take(body, func(n int) (*profile.Counted, error) {
			first, last := profile.PartsOf(n)
			counted, err := read(first, last)
			if err != nil {
				return nil, err
			}
			return asProfile(counted, first, c.caches), nil
		})
	})
}

// asProfile translates counts; the first of their parts gets the number 1.
func asProfile(from *plugin.Counted, first int, caches *plugin.Caches) *profile.Counted {
	digest := plugin.Digest()
	to := &profile.Counted{Plugin: hex.EncodeToString(digest[:8])}
	if caches != nil {
		to.Caches = caches.String()
	}
	for _, c := range from.Contexts {
		to.Contexts = append(to.Contexts, profile.Context{Parent: c.Parent, Name: c.Name, Address: c.Address})
	}
	for _, w := range from.Windows {
		window := profile.Window{Kind: w.Kind, Part: w.Label - first + 1, Thread: w.Thread, Counts: map[int]profile.Counts{}}
		for _, s := range w.Stacks {
			var counts profile.Counts
			for i := range counts {
				counts[i] = int64(s.Counts[i])
			}
			window.Counts[s.Node] = counts
		}
		to.Windows = append(to.Windows, window)
	}
	return to
}

// measure runs it, and stores its trials.
func (p *part) measure(ctx context.Context, run *session.Run) error {
	run.Record = func(t *record.Trial) error {
		if t.Status == record.OK {
			p.ok++
		}
		if p.first.ID == "" {
			p.first = *t
		}
		return p.Results.Add(t)
	}
	err := run.Do(ctx)
	p.Host.Progress.Done(p.name(), fmt.Sprintf("%d trials measured", p.ok))
	if p.machines != nil {
		err = errors.Join(err, p.machines.Close())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.name(), err)
	}
	return err
}
