// SPDX-License-Identifier: MIT

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/buildinfo"
)

// Run measures a plan on one kernel, in machines of one kind.
type Run struct {
	Plan    *plan.Plan
	Kernel  record.Kernel
	Machine record.Machine
	// Fresh starts the kernel anew: each block is measured in a boot of its
	// own, so that blocks are independent, and a crash costs one block. Where only
	// counts are kept, the configurations of a round share one.
	Fresh func(context.Context) (Conn, error)
	// SameBoot means that Fresh boots nothing: configurations warm up in the first block
	// only.
	SameBoot bool
	// Timeout of one request, beyond the time that the plan itself asks for.
	Timeout time.Duration
	// Wants selects the configurations to measure, by all but their cells; nil: all.
	Wants func(*plan.Configuration) bool
	// Share selects what these machines measure of that, if others measure the rest; nil:
	// all. The twins of all are compared, so that a trial's ledger does not depend on it.
	Share func(*plan.Configuration) bool
	// Profile adds profiles to the trials whose costs can be told by function; the
	// connections are then [Counter].
	Profile bool
	// CountsOnly omits the times by these machines' clock.
	CountsOnly bool
	// Seeds is how many seeds share the plan's blocks, if more than one: each has
	// as many in a row, and the first is the plan's.
	Seeds int
	// Phase is called with each phase that begins, in a few words. It may be nil.
	Phase func(name string)
	// Why returns the status, and the reason in one line, of trials that were not
	// measured because of an error of Fresh or of a connection.
	Why func(error) (record.Status, string)
	// Record is called with every trial of the plan, as soon as its status is known.
	Record func(*record.Trial) error
}

// ErrStore is returned when a trial could not be recorded. Measuring stops then.
var ErrStore = errors.New("a trial was measured and could not be stored")

// job is one configuration.
type job struct {
	plan.Configuration
	blocks int            // that were begun
	trials []record.Trial // of them
	failed bool           // a trial of the last block was not measured
}

// running is a run in progress.
type running struct {
	*Run
	facts   Facts
	same    record.Invariant
	all     []plan.Configuration // with those that are not of the share
	planned int                  // trials, until now
	boot    *boot                // a running machine, reused for the next block
	ended   bool                 // nothing can be stored any more
}

// Do runs the plan: probe and check of the twins, then the blocks. Every planned trial is
// recorded, unless recording fails. The error is [ErrDiffer], or that of a connection, or
// both.
func (r *Run) Do(ctx context.Context) (err error) {
	run := &running{Run: r}
	jobs, err := run.jobs()
	if err != nil || len(jobs) == 0 {
		return err
	}
	err = run.look(ctx)
	defer func() { err = errors.Join(err, run.release()) }()
	if err != nil && !errors.Is(err, ErrDiffer) {
		status, reason := r.Why(err)
		return errors.Join(err, run.recordPlanned(jobs, status, reason))
	}
	if run.facts.Status != record.OK {
		return errors.Join(err, run.recordPlanned(jobs, run.facts.Status, run.facts.Reason))
	}
	return errors.Join(err, run.rounds(ctx, jobs))
}

// jobs are the configurations that are measured.
func (r *running) jobs() (jobs []*job, err error) {
	wants := r.Wants
	if wants == nil {
		wants = func(*plan.Configuration) bool { return true }
	}
	if r.all, err = r.Plan.Wanted(r.Machine.CPUs, wants); err != nil {
		return nil, err
	}
	for _, config := range r.all {
		if r.Share != nil && !r.Share(&config) {
			continue
		}
		jobs = append(jobs, &job{Configuration: config})
		r.planned += max(r.Plan.Blocks, 1) * len(r.Plan.Block(r.Kernel.Want, &config, 0))
	}
	return jobs, nil
}

// rounds measures a block of every job that still needs one, again and again.
func (r *running) rounds(ctx context.Context, jobs []*job) error {
	var errs []error
	deadline := time.Now().Add(r.Plan.Budget)
	for round := 0; ; round++ {
		begun := false
		for _, j := range jobs {
			if !r.wants(j, round, deadline) {
				continue
			}
			begun = true
			errs = append(errs, r.block(ctx, j))
			if r.ended {
				return errors.Join(errs...)
			}
		}
		errs = append(errs, r.release())
		if !begun {
			return errors.Join(errs...)
		}
	}
}

// wants reports whether the job gets a block in that round.
func (r *running) wants(j *job, round int, deadline time.Time) bool {
	switch {
	case r.Plan.Blocks > 0:
		return round < r.Plan.Blocks
	case round == 0:
		return true
	case r.virtual() && round == mostVirtual:
		return false
	}
	return !j.failed && time.Now().Before(deadline) && verdict.Open(j.trials)
}

// mostVirtual is the maximum number of blocks in virtual time: figures repeat exactly, so
// what is undecided after that many phases would take hundreds. It is reached before the
// budget, so that the same command measures the same blocks.
const mostVirtual = 8

// plan are the trials of the job's next block.
func (r *running) plan(j *job) []record.Trial {
	trials := r.Plan.Block(r.Kernel.Want, &j.Configuration, j.blocks)
	if j.blocks >= max(r.Plan.Blocks, 1) {
		r.planned += len(trials)
	}
	for i := range trials {
		t := &trials[i]
		t.Kernel, t.Machine, t.Tool, t.Trial.Trials = r.Kernel, r.Machine, buildinfo.Tool(), r.planned
		if r.facts.Release != "" {
			t.Kernel.Release, t.Kernel.Config.BTF = r.facts.Release, r.facts.BTF
			if r.facts.Preempt != "" {
				t.Kernel.Config.Preempt = r.facts.Preempt
			}
		}
		if r.facts.Status == record.OK {
			t.Cell.Attach = r.facts.Attach
		}
		if r.Plan.Blocks > 0 {
			t.Trial.Seed += uint64(t.Trial.Block * max(r.Seeds, 1) / r.Plan.Blocks)
		}
	}
	j.blocks++
	return trials
}

// look probes a fresh kernel, and compares the twins of all configurations on it. The first
// block uses the same boot.
func (r *running) look(ctx context.Context) (err error) {
	if r.boot, err = r.fresh(ctx); err != nil {
		return err
	}
	r.phase("probe")
	attach, cell := vocab.Attach(r.Plan.Attach), compared(r.all[0].Cells[0])
	var got *trial.TwinCheck
	answers := 0
	request := Request{Probe: &attach, CheckTwins: &cell, Transports: transports(r.all)}
	err = r.boot.Do(ctx, request, 2*r.Timeout, func(body json.RawMessage) error {
		switch answers++; answers {
		case 1:
			r.phase("same programs under all twins")
			return json.Unmarshal(body, &r.facts)
		case 2:
			return json.Unmarshal(body, &got)
		}
		return errors.New("more answers than questions")
	})
	if err != nil {
		return fmt.Errorf("probe, and compare twins: %w", err)
	}
	if r.facts.Status == "" || r.facts.Status == record.OK && got == nil {
		return fmt.Errorf("probe, and compare twins: %d answers, want 2", answers)
	}
	if got != nil {
		r.same, err = checkTwins(*got)
	}
	return err
}

// transports are those of the configurations, in the order of the table.
func transports(configs []plan.Configuration) []vocab.Transport {
	var all []vocab.Transport
	for _, kind := range vocab.Transports() {
		if slices.ContainsFunc(configs, func(c plan.Configuration) bool {
			return c.Cells[0].Transport == kind || c.Cells[1].Transport == kind
		}) {
			all = append(all, kind)
		}
	}
	return all
}

// release ends the reusable machine, if there is one.
func (r *running) release() error {
	b := r.boot
	if r.boot = nil; b == nil {
		return nil
	}
	return b.end()
}

// block measures the job's next block on a fresh kernel. If that fails, the rest of
// the block is recorded with the reason.
func (r *running) block(ctx context.Context, j *job) error {
	trials := r.plan(j)
	done, err := r.measureBlock(ctx, j, trials)
	if err != nil && done < len(trials) && !r.ended {
		status, reason := r.Why(err)
		err = errors.Join(err, r.recordAll(trials[done:], status, reason))
	}
	j.trials = append(j.trials, trials...)
	j.failed = failed(trials)
	return err
}

// failed reports whether one of the trials was not measured.
func failed(trials []record.Trial) bool {
	return slices.ContainsFunc(trials, func(t record.Trial) bool { return t.Status != record.OK })
}

// measureBlock returns how many of the trials were recorded.
func (r *running) measureBlock(ctx context.Context, j *job, trials []record.Trial) (done int, err error) {
	b := r.boot
	if r.boot = nil; b == nil {
		if b, err = r.fresh(ctx); err != nil {
			return 0, err
		}
	}
	defer func() {
		if err == nil && r.CountsOnly && !failed(trials) { // the next configuration's counts do not depend on these
			r.boot = b
			return
		}
		err = errors.Join(err, b.end())
	}()
	var warmUp []record.Trial
	// One-time work takes time, but changes no count.
	if !r.CountsOnly && (!r.SameBoot || trials[0].Trial.Block == 0) {
		warmUp = warmUps(trials)
	}
	// Request one trial at a time, so that a crash neither loses earlier trials nor is
	// attributed to them.
	if j.Sweep == nil && (r.virtual() || r.SameBoot) {
		return r.measure(ctx, b, warmUp, trials)
	}
	sides := map[string]*plan.Bisection{}
	for i := range trials {
		t := &trials[i]
		if sweep := j.Sweep; sweep != nil {
			if sides[t.Trial.Side] == nil {
				sides[t.Trial.Side] = plan.NewBisection(sweep)
			}
			t.Cell.RateHz = sides[t.Trial.Side].Next()
			if r.virtual() { // each request gets its own machine
				warmUp = []record.Trial{*t}
			}
		}
		if n, err := r.measure(ctx, b, warmUp, trials[i:i+1]); err != nil {
			return i + n, err
		}
		warmUp = nil
		if j.Sweep != nil && t.Counts != nil {
			sides[t.Trial.Side].Saw(t.Cell.RateHz, t.Counts.FailedTotal() > 0)
		}
	}
	return len(trials), nil
}

// settle decides on the status of measured trials, and records them.
func (r *running) settle(b *boot, t *record.Trial) error {
	if t.Counts != nil {
		settle(t, r.same)
	}
	if r.CountsOnly || r.turns() {
		t.Latency, t.Intended, t.Cost, t.Rate, t.Disturbance = nil, nil, nil, nil, nil
	}
	if err := b.charge(t); err != nil {
		return err
	}
	return r.record(t)
}

// progress describes the current trial.
func (r *running) progress(t *record.Trial) string {
	text := fmt.Sprintf("block %d", t.Trial.Block+1)
	if r.Plan.Blocks > 0 {
		text += fmt.Sprintf(" of %d", r.Plan.Blocks)
	}
	if t.Trial.Step > 0 {
		text += fmt.Sprintf(", step %d, %s", t.Trial.Step, t.Cell.Transport)
	} else {
		text += fmt.Sprintf(", trial %d of %d, %s", t.Trial.Position+1, len(t.Trial.Order), t.Cell.Transport)
	}
	if t.Trial.Scenario != "" {
		text = t.Trial.Scenario + ", " + text
	}
	return text
}

func (r *Run) phase(name string) {
	if r.Phase != nil {
		r.Phase(name)
	}
}

// recordPlanned records every initially planned trial.
func (r *running) recordPlanned(jobs []*job, status record.Status, reason string) error {
	for range max(r.Plan.Blocks, 1) {
		for _, j := range jobs {
			if err := r.recordAll(r.plan(j), status, reason); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *running) recordAll(trials []record.Trial, status record.Status, reason string) error {
	for i := range trials {
		trials[i].Status, trials[i].Reason = status, reason
		if err := r.record(&trials[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *running) record(t *record.Trial) error {
	if err := r.Record(t); err != nil {
		r.ended = true
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}

// virtual reports whether one instruction is one nanosecond.
func (r *Run) virtual() bool { return r.Machine.Clock == record.Virtual }

// turns reports whether the CPUs of these machines take turns, for a profile: counts do not
// depend on the host's clock then, and times by it tell nothing.
func (r *Run) turns() bool { return r.Profile && !r.virtual() }
