// SPDX-License-Identifier: MIT

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// warmUpEvents are enough to run every code path once.
const warmUpEvents = 200

// warmUps are trials of either side, with [warmUpEvents] events.
func warmUps(trials []record.Trial) []record.Trial {
	var all []record.Trial
	seen := map[string]bool{}
	for _, t := range trials {
		if seen[t.Trial.Side] {
			continue
		}
		seen[t.Trial.Side] = true
		t.Cell.ReaderStallMS, t.Cell.RateHz = 0, 0
		share := t.Cell.Batch * t.Cell.Producers
		t.Cell.Events = min(t.Cell.Events, max(warmUpEvents/share, 1)*share)
		all = append(all, t)
	}
	return all
}

// measure requests the trials of a block in one request, after warm-up trials: the first
// trial of a machine includes one-time work of the kernel and the harness. It returns how
// many of the trials were recorded.
func (r *running) measure(ctx context.Context, b *boot, warmUp, trials []record.Trial) (done int, err error) {
	var request Request
	timeout := r.Timeout
	for _, t := range warmUp {
		request.Trials = append(request.Trials, Timed{Cell: t.Cell, Turns: r.turns()})
		timeout += RunTime(&t.Cell)
	}
	for i := range trials {
		t := &trials[i]
		timed := Timed{Cell: t.Cell, Turns: r.turns()}
		if r.virtual() {
			timed.PhaseNS = phase(&t.Trial)
		}
		request.Trials = append(request.Trials, timed)
		timeout += RunTime(&t.Cell)
	}
	begin := func() {
		if done < len(trials) {
			t := &trials[done]
			// The host's clock: that of a machine restored from a snapshot stopped when
			// it was taken.
			t.Trial.Started = time.Now().UTC().Format(time.RFC3339Nano)
			r.phase(r.progress(t))
		}
	}
	warmed := 0
	if len(warmUp) > 0 {
		r.phase("warm-up")
	} else {
		begin()
	}
	err = r.do(ctx, b, request, timeout, func(body json.RawMessage, counts func(n int) (*profile.Counted, error)) error {
		if warmed < len(warmUp) {
			if warmed++; warmed == len(warmUp) {
				begin()
			}
			return nil
		}
		if done == len(trials) {
			return errors.New("more answers than trials")
		}
		t := &trials[done]
		if err := r.take(t, body, func() (*profile.Counted, error) { return counts(warmed + done) }); err != nil {
			return fmt.Errorf("trial %s: %w", t.ID, err)
		}
		if err := r.settle(b, t); err != nil {
			return err
		}
		done++
		begin()
		return nil
	})
	if err == nil && done < len(trials) {
		err = fmt.Errorf("%d answers, want %d", warmed+done, len(request.Trials))
	}
	if err != nil && done < len(trials) {
		err = fmt.Errorf("trial %s: %w", trials[done].ID, err)
	}
	return done, err
}

// do sends the request, and has it counted if there are to be profiles.
func (r *running) do(ctx context.Context, b *boot, request Request, timeout time.Duration, take func(json.RawMessage, func(int) (*profile.Counted, error)) error) error {
	if !r.Profile {
		return b.Do(ctx, request, timeout, func(body json.RawMessage) error { return take(body, nil) })
	}
	counter, ok := b.Conn.(Counter)
	if !ok {
		return errors.New("these machines cannot count instructions")
	}
	return counter.DoCounted(ctx, request, timeout, take)
}

// take fills in a trial from the answer to it. counts reads what a profiler has counted of
// it.
func (r *running) take(t *record.Trial, body json.RawMessage, counts func() (*profile.Counted, error)) error {
	var got Measured
	if err := json.Unmarshal(body, &got); err != nil {
		return err
	}
	t.Status, t.Reason = got.Status, got.Reason
	if got.Trial == nil {
		return nil
	}
	from := got.Trial
	t.Counts, t.Latency, t.Intended, t.Cost, t.Rate, t.Memory = from.Counts, from.Latency, from.Intended, from.Cost, from.Rate, from.Memory
	t.Disturbance, t.Order, t.Victims, t.RecoveryNS = from.Disturbance, from.Order, from.Victims, from.RecoveryNS
	if r.virtual() {
		instructions(t.Cost, &t.Cell)
	}
	t.Ledger = ledger.Check(&t.Cell, t.Counts)
	if !r.Profile || got.Spent == nil {
		return nil
	}
	counted, err := counts()
	if err != nil {
		return err
	}
	if t.Profile, err = profile.Of(counted, t, got.Spent); err != nil {
		return err
	}
	if r.virtual() { // else nanoseconds are no instructions
		t.Ledger = append(t.Ledger, ledger.CheckProfile(t)...)
	}
	return nil
}

// instructions converts the cost in virtual time, one nanosecond each: of the producer
// above the control; if paced, of the program alone above an empty one; without a
// control, of the program with the two clock readings of the kernel's statistics.
func instructions(c *record.Cost, cell *record.Cell) {
	switch {
	case c.ProducerCPUMedianNSPerEvent != 0:
		// The median, because the mean has the timer's interrupts in it, of which
		// one more or one fewer is 1 % of 20,000 events.
		c.InstructionsPerEvent = c.ProducerCPUMedianNSPerEvent
	case c.ControlNSPerTrigger != 0:
		c.InstructionsPerEvent = c.ProducerCPUNSPerEvent
	default:
		c.InstructionsPerEvent = c.ProducerNSPerEvent - c.ControlRunNS/float64(max(cell.Batch, 1))
	}
	c.ConsumerInstructionsPerEvent = c.ConsumerCPUNSPerEvent
}

// maxPhase is longer than a tick of any kernel, and short enough not to waste time.
const maxPhase = 10 * time.Millisecond

// phase is how long a trial waits first: a function of the plan alone.
func phase(place *record.Place) int64 {
	random := rand.New(rand.NewPCG(place.Seed, uint64(place.Block)<<32|uint64(place.Position)))
	return random.Int64N(int64(maxPhase))
}

// broken lists the violated invariants.
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

// RunTime is an upper bound of the time that the cell takes, even on a slow machine.
func RunTime(cell *record.Cell) time.Duration {
	d := time.Duration(max(cell.ReaderStallMS, 0)) * time.Millisecond
	if cell.RateHz > 0 {
		d += time.Duration(float64(cell.Events) / cell.RateHz * float64(time.Second))
	}
	// Ten times what an emulated machine takes.
	each := 20 * time.Millisecond
	if cell.Workload == vocab.Storm {
		each = 2 * time.Millisecond
	}
	return d + time.Duration(cell.Events)*(each+time.Duration(cell.ReaderDelayNS))
}
