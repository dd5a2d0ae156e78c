package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
)

// comparePrograms is how many programs the comparison starts.
const comparePrograms = 60

// Conn carries requests to a kernel under test.
type Conn interface {
	// Do hands every answer to take, and returns when the request is done,
	// with an error if it was not answered in full within the time-out.
	Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error
}

// Run measures a plan on one kernel.
type Run struct {
	Conn    Conn
	Plan    *plan.Plan
	Kernel  record.Kernel
	Machine record.Machine
	// Timeout of one request, beyond the time that the plan itself asks for.
	Timeout time.Duration
	// Phase is told what begins, in a few words. It may be nil.
	Phase func(name string)
	// Check may change the status of a trial for what only the carrier of the
	// requests knows. It may be nil.
	Check func(*record.Trial) error
	// Record is given every trial as soon as its ledger is checked.
	Record func(*record.Trial) error
}

// ErrDiffer is returned when the twins, attached to the same programs, did not
// deliver the same events, or not those that the programs must cause.
var ErrDiffer = errors.New("the twins do not agree")

// Do runs the plan: probe, comparison, warm-up, blocks. Every planned trial
// whose turn comes is recorded with its status. An error that is not
// [ErrDiffer] means that the connection failed: the trials that were not
// recorded did not run.
func (r *Run) Do(ctx context.Context) error {
	r.phase("probe")
	facts, err := r.probe(ctx)
	if err != nil {
		return err
	}
	trials, err := r.Plan.Trials(r.Kernel.Want, r.Machine.CPUs)
	if err != nil {
		return err
	}
	r.Kernel.Config.BTF = facts.BTF
	for i := range trials {
		trials[i].Kernel, trials[i].Machine = r.Kernel, r.Machine
		if facts.Status == record.OK {
			trials[i].Cell.Attach = string(facts.Attach)
		}
	}
	if facts.Status != record.OK {
		return r.recordAll(trials, facts.Status, facts.Reason)
	}
	r.phase("same programs under both twins")
	same, differ := r.compare(ctx, trials[0].Cell)
	if differ != nil && !errors.Is(differ, ErrDiffer) {
		return differ
	}
	if err := r.warmUp(ctx, trials); err != nil {
		return err
	}
	for i := range trials {
		t := &trials[i]
		r.phase(fmt.Sprintf("trial %d of %d, %s", i+1, len(trials), t.Cell.Transport))
		if err := r.measure(ctx, t); err != nil {
			return errors.Join(err, differ)
		}
		if t.Counts != nil {
			settle(t, same)
		}
		if r.Check != nil {
			if err := r.Check(t); err != nil {
				return errors.Join(err, differ)
			}
		}
		if err := r.Record(t); err != nil {
			return errors.Join(err, differ)
		}
	}
	return differ
}

func (r *Run) phase(name string) {
	if r.Phase != nil {
		r.Phase(name)
	}
}

func (r *Run) recordAll(trials []record.Trial, status record.Status, reason string) error {
	for i := range trials {
		trials[i].Status, trials[i].Reason = status, reason
		if err := r.Record(&trials[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) probe(ctx context.Context) (Facts, error) {
	attach := bpf.Attach(r.Plan.Attach)
	return ask[Facts](ctx, r, Request{Probe: &attach}, 0)
}

// compare has both twins deliver the very same programs. What came of it
// becomes a line in the ledger of every trial of this boot: if the twins do not
// agree about the same programs, no comparison of theirs means anything.
func (r *Run) compare(ctx context.Context, cell record.Cell) (record.Invariant, error) {
	cell.Programs, cell.Producers, cell.RateHz = comparePrograms, 1, 0
	line := record.Invariant{Invariant: "both twins deliver the same programs, all of them"}
	got, err := ask[trial.Comparison](ctx, r, Request{Compare: &cell}, 0)
	if err != nil {
		return line, fmt.Errorf("compare twins: %w", err)
	}
	err = Differ(got)
	line.Holds, line.Detail = err == nil, fmt.Sprintf("%d programs", len(got.Truth))
	if err != nil {
		line.Detail += ", and they differ"
	}
	return line, err
}

// settle adds what was found before the trials, and decides on the status.
func settle(t *record.Trial, line record.Invariant) {
	t.Ledger = append(t.Ledger, line)
	if open := broken(t.Ledger); open != "" {
		t.Status, t.Reason = record.Invalid, "ledger: "+open
	}
}

// Differ returns [ErrDiffer] with the differences where either twin did not
// deliver exactly the truth.
func Differ(c trial.Comparison) error {
	var errs []error
	for _, side := range []struct {
		name   string
		events []trial.Normal
	}{{"perf", c.Perf}, {"ringbuf", c.Ringbuf}} {
		if diff := cmp.Diff(c.Truth, side.events); diff != "" {
			errs = append(errs, fmt.Errorf("%w: %s against the programs that ran (-want +got):\n%s", ErrDiffer, side.name, diff))
		}
	}
	if len(c.Truth) == 0 {
		errs = append(errs, fmt.Errorf("%w: no program ran", ErrDiffer))
	}
	return errors.Join(errs...)
}

// warmUp measures each transport once and forgets it: the first trial pays for
// what the kernel and the harness do only once.
func (r *Run) warmUp(ctx context.Context, trials []record.Trial) error {
	seen := map[string]bool{}
	for _, t := range trials {
		if seen[t.Cell.Transport] {
			continue
		}
		seen[t.Cell.Transport] = true
		r.phase("warm-up, " + t.Cell.Transport)
		t.Cell.ReaderStallMS = 0
		if err := r.measure(ctx, &t); err != nil {
			return err
		}
	}
	return nil
}

// measure fills in a trial: what was measured, and its ledger.
func (r *Run) measure(ctx context.Context, t *record.Trial) error {
	got, err := ask[Measured](ctx, r, Request{Trial: &t.Cell}, runTime(&t.Cell))
	if err != nil {
		return fmt.Errorf("trial %s: %w", t.ID, err)
	}
	t.Status, t.Reason = got.Status, got.Reason
	if got.Trial == nil {
		return nil
	}
	t.Trial.Started = got.Trial.Trial.Started
	t.Counts, t.Latency, t.Cost, t.Rate, t.Memory = got.Trial.Counts, got.Trial.Latency, got.Trial.Cost, got.Trial.Rate, got.Trial.Memory
	t.Ledger = ledger.Check(&t.Cell, t.Counts)
	return nil
}

// broken names the invariants that do not hold.
func broken(lines []record.Invariant) string {
	text := ""
	for _, line := range lines {
		if !line.Holds {
			if text != "" {
				text += "; "
			}
			text += line.Invariant + ": " + line.Detail
		}
	}
	return text
}

// runTime is what the cell itself takes, however fast the machine is.
func runTime(cell *record.Cell) time.Duration {
	d := time.Duration(cell.ReaderStallMS) * time.Millisecond
	if cell.RateHz > 0 {
		d += time.Duration(float64(cell.Programs) / cell.RateHz * float64(time.Second))
	}
	// 20 ms a program is ten times what an emulated machine takes.
	return d + time.Duration(cell.Programs)*20*time.Millisecond
}

// ask sends a request that has one answer.
func ask[T any](ctx context.Context, r *Run, request Request, extra time.Duration) (T, error) {
	var answer T
	answers := 0
	err := r.Conn.Do(ctx, request, r.Timeout+extra, func(body json.RawMessage) error {
		answers++
		return json.Unmarshal(body, &answer)
	})
	if err == nil && answers != 1 {
		err = fmt.Errorf("%d answers, want one", answers)
	}
	return answer, err
}
