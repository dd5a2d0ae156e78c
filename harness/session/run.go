package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Conn carries requests to one kernel under test.
type Conn interface {
	// Do hands every answer to take, and returns when the request is done,
	// with an error if it was not answered in full within the time-out.
	Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error
	// Close ends what was started for the connection.
	Close() error
}

// Run measures a plan on one kernel.
type Run struct {
	// Fresh starts the kernel anew: each block is measured in a boot of its
	// own, so that blocks are independent, and a crash costs one block.
	Fresh func(context.Context) (Conn, error)
	// SameBoot says that Fresh starts nothing: set-ups warm up in the first block
	// alone.
	SameBoot bool
	Plan     *plan.Plan
	Kernel   record.Kernel
	Machine  record.Machine
	// Seeds is how many seeds share the plan's blocks, if more than one: each has
	// as many in a row, and the first is the plan's.
	Seeds int
	// Timeout of one request, beyond the time that the plan itself asks for.
	Timeout time.Duration
	// Phase is told what begins, in a few words. It may be nil.
	Phase func(name string)
	// Why is the status, and the reason in a line, of trials that an error of
	// Fresh or of a connection kept from being measured.
	Why func(error) (record.Status, string)
	// Check may change the status of a trial for what only the carrier of the
	// requests knows. It may be nil.
	Check func(Conn, *record.Trial) error
	// Record is given every trial of the plan, as soon as its status is known.
	Record func(*record.Trial) error
}

// ErrStore is returned when what was measured could not be recorded. Nothing is
// measured after that.
var ErrStore = errors.New("a trial was measured and could not be stored")

// Do runs the plan: probe and comparison, then the blocks. Every trial of the
// plan is recorded, whatever happens, unless recording fails. The error is
// [ErrDiffer], or that of a connection, or both.
func (r *Run) Do(ctx context.Context) error {
	trials, err := r.Plan.Trials(r.Kernel.Want, r.Machine.CPUs)
	if err != nil {
		return err
	}
	for i := range trials {
		place := &trials[i].Trial
		place.Seed += uint64(place.Block * max(r.Seeds, 1) / r.Plan.Blocks)
	}
	facts, same, differ := r.look(ctx, trials[0].Cell)
	if differ != nil && !errors.Is(differ, ErrDiffer) {
		status, reason := r.Why(differ)
		return errors.Join(differ, r.recordAll(r.known(trials, facts), status, reason))
	}
	trials = r.known(trials, facts)
	if facts.Status != record.OK {
		return r.recordAll(trials, facts.Status, facts.Reason)
	}
	errs := []error{differ}
	sweeps, err := r.sweeps()
	if err != nil {
		return err
	}
	for len(trials) > 0 {
		n := blockLen(trials)
		err := r.block(ctx, trials[:n], same, sweeps[trials[0].Trial.Setup])
		errs = append(errs, err)
		if errors.Is(err, ErrStore) {
			break
		}
		trials = trials[n:]
	}
	return errors.Join(errs...)
}

// sweeps are those of the set-ups that have one, by their numbers.
func (r *Run) sweeps() (map[int]*plan.Sweep, error) {
	setups, err := r.Plan.Setups(r.Machine.CPUs)
	sweeps := map[int]*plan.Sweep{}
	for i, s := range setups {
		sweeps[i] = s.Sweep
	}
	return sweeps, err
}

// blockLen is how many trials, from the first on, are of one set-up in one block:
// they share a boot.
func blockLen(trials []record.Trial) int {
	first := trials[0].Trial
	n := slices.IndexFunc(trials, func(t record.Trial) bool { return t.Trial.Setup != first.Setup || t.Trial.Block != first.Block })
	if n < 0 {
		return len(trials)
	}
	return n
}

// known fills in what a trial's record says of where it ran.
func (r *Run) known(trials []record.Trial, facts Facts) []record.Trial {
	if facts.Release != "" {
		r.Kernel.Release, r.Kernel.Config.BTF = facts.Release, facts.BTF
	}
	for i := range trials {
		trials[i].Kernel, trials[i].Machine = r.Kernel, r.Machine
		if facts.Status == record.OK {
			trials[i].Cell.Attach = string(facts.Attach)
		}
	}
	return trials
}

// look asks a fresh kernel what it can do, and compares the twins on it.
func (r *Run) look(ctx context.Context, cell record.Cell) (facts Facts, same record.Invariant, err error) {
	conn, err := r.Fresh(ctx)
	if err != nil {
		return facts, same, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	r.phase("probe")
	attach := bpf.Attach(r.Plan.Attach)
	facts, err = ask[Facts](ctx, conn, Request{Probe: &attach}, r.Timeout)
	if err != nil || facts.Status != record.OK {
		return facts, same, err
	}
	cell.Attach = string(facts.Attach)
	r.phase("same programs under both twins")
	same, err = r.compare(ctx, conn, cell)
	return facts, same, err
}

// block measures the trials of a block on a fresh kernel. If that fails, the
// rest of the block is recorded with the reason.
func (r *Run) block(ctx context.Context, trials []record.Trial, same record.Invariant, sweep *plan.Sweep) error {
	done, err := r.measureBlock(ctx, trials, same, sweep)
	if err == nil || done == len(trials) || errors.Is(err, ErrStore) {
		return err
	}
	status, reason := r.Why(err)
	return errors.Join(err, r.recordAll(trials[done:], status, reason))
}

// measureBlock returns how many of the trials were recorded.
func (r *Run) measureBlock(ctx context.Context, trials []record.Trial, same record.Invariant, sweep *plan.Sweep) (done int, err error) {
	conn, err := r.Fresh(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// In virtual time each request is served by a machine of its own.
	if !r.virtual() && (!r.SameBoot || trials[0].Trial.Block == 0) {
		if err := r.warmUp(ctx, conn, trials); err != nil {
			return 0, err
		}
	}
	sides := map[string]*plan.Bisection{}
	for i := range trials {
		t := &trials[i]
		r.phase(progress(t, r.Plan.Blocks, i+1, len(trials)))
		if sweep != nil {
			if sides[t.Trial.Side] == nil {
				sides[t.Trial.Side] = plan.NewBisection(sweep)
			}
			t.Cell.RateHz = sides[t.Trial.Side].Next()
		}
		if err := r.measure(ctx, conn, t); err != nil {
			return i, err
		}
		if sweep != nil && t.Counts != nil {
			sides[t.Trial.Side].Saw(t.Cell.RateHz, t.Counts.FailedTotal()+t.Counts.Misses > 0)
		}
		if t.Counts != nil {
			settle(t, same)
		}
		if r.Check != nil {
			if err := r.Check(conn, t); err != nil {
				return i, err
			}
		}
		if err := r.record(t); err != nil {
			return i, err
		}
	}
	return len(trials), nil
}

// progress says which trial is measured.
func progress(t *record.Trial, blocks, i, n int) string {
	text := fmt.Sprintf("block %d of %d, trial %d of %d, %s", t.Trial.Block+1, blocks, i, n, t.Cell.Transport)
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

func (r *Run) recordAll(trials []record.Trial, status record.Status, reason string) error {
	for i := range trials {
		trials[i].Status, trials[i].Reason = status, reason
		if err := r.record(&trials[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) record(t *record.Trial) error {
	if err := r.Record(t); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}

// virtual reports whether one instruction is one nanosecond.
func (r *Run) virtual() bool { return r.Machine.Clock == record.Virtual }
