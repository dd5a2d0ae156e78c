package session

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/record"
)

// warmUpEvents are enough to have done everything once.
const warmUpEvents = 200

// warmUp measures each transport once and forgets it: the first trial pays for
// what the kernel and the harness do only once.
func (r *Run) warmUp(ctx context.Context, conn Conn, trials []record.Trial) error {
	seen := map[string]bool{}
	for _, t := range trials {
		if seen[t.Trial.Side] {
			continue
		}
		seen[t.Trial.Side] = true
		r.phase("warm-up, " + t.Cell.Transport)
		t.Cell.ReaderStallMS, t.Cell.RateHz = 0, 0
		share := t.Cell.Batch * t.Cell.Producers
		t.Cell.Events = min(t.Cell.Events, max(warmUpEvents/share, 1)*share)
		if err := r.measure(ctx, conn, &t); err != nil {
			return err
		}
	}
	return nil
}

// measure fills in a trial: what was measured, and its ledger.
func (r *Run) measure(ctx context.Context, conn Conn, t *record.Trial) error {
	// The host's clock: that of a machine that is made of a saved one stood
	// still since then.
	t.Trial.Started = time.Now().UTC().Format(time.RFC3339Nano)
	request, runs := Request{Trial: &t.Cell}, 1
	if r.virtual() {
		request.WarmUps, request.PhaseNS = 1, phase(&t.Trial)
		runs++
	}
	got, err := ask[Measured](ctx, conn, request, r.Timeout+time.Duration(runs)*runTime(&t.Cell))
	if err != nil {
		return fmt.Errorf("trial %s: %w", t.ID, err)
	}
	t.Status, t.Reason = got.Status, got.Reason
	if got.Trial == nil {
		return nil
	}
	from := got.Trial
	t.Counts, t.Latency, t.Intended, t.Cost, t.Rate, t.Memory = from.Counts, from.Latency, from.Intended, from.Cost, from.Rate, from.Memory
	t.Disturbance = from.Disturbance
	if r.virtual() {
		instructions(t.Cost)
	}
	t.Ledger = ledger.Check(&t.Cell, t.Counts)
	return nil
}

// instructions says in virtual time, where each takes a nanosecond, what the cost
// in time is: of the producer above the control, or where there is none in the
// program alone, the two clock readings of the kernel's statistics included.
func instructions(c *record.Cost) {
	switch {
	case c.ProducerCPUMedianNSPerEvent != 0:
		// The median, because the mean has the timer's interrupts in it, of which
		// one more or one fewer is 1 % of 20,000 events.
		c.InstructionsPerEvent = c.ProducerCPUMedianNSPerEvent
	case c.ControlNSPerTrigger != 0:
		c.InstructionsPerEvent = c.ProducerCPUNSPerEvent
	default:
		c.InstructionsPerEvent = c.ProducerNSPerEvent
	}
	c.ConsumerInstructionsPerEvent = c.ConsumerCPUNSPerEvent
}

// maxPhase is more than a tick of any kernel, and less than what would be waited
// for in vain.
const maxPhase = 10 * time.Millisecond

// phase is how long a trial waits first: a function of the plan alone.
func phase(place *record.Place) int64 {
	random := rand.New(rand.NewPCG(place.Seed, uint64(place.Block)<<32|uint64(place.Position)))
	return random.Int64N(int64(maxPhase))
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
	d := time.Duration(max(cell.ReaderStallMS, 0)) * time.Millisecond
	if cell.RateHz > 0 {
		d += time.Duration(float64(cell.Events) / cell.RateHz * float64(time.Second))
	}
	// Ten times what an emulated machine takes.
	each := 20 * time.Millisecond
	if cell.Workload == string(bpf.Storm) {
		each = 2 * time.Millisecond
	}
	return d + time.Duration(cell.Events)*(each+time.Duration(cell.ReaderDelayNS))
}

// ask sends a request that has one answer.
func ask[T any](ctx context.Context, conn Conn, request Request, timeout time.Duration) (T, error) {
	var answer T
	answers := 0
	err := conn.Do(ctx, request, timeout, func(body json.RawMessage) error {
		answers++
		return json.Unmarshal(body, &answer)
	})
	if err == nil && answers != 1 {
		err = fmt.Errorf("%d answers, want one", answers)
	}
	return answer, err
}
