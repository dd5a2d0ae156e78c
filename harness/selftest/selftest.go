// Package selftest proves the measurer: it injects known faults into trials and
// says what the ledger and the figures made of them.
package selftest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
)

// Measure runs a trial of the cell.
type Measure func(context.Context, record.Cell) (*record.Trial, error)

// Result is what came of one fault under one transport.
type Result struct {
	Transport string `json:"transport"`
	Fault     string `json:"fault"`
	Injected  string `json:"injected"`
	Recovered string `json:"recovered"`
	// Found reports whether that is the same, or within the error that is stated,
	// and whether the ledger broke where it must and nowhere else.
	Found bool `json:"found"`
}

// events of a trial, and every which of them is at fault: neither divides the
// other.
const (
	events = 2000
	every  = 7
)

// delayUS is the delay that is injected, and delayError how far from it the
// figure may be: the clock is read twice an event, and the scheduler may come
// between.
const (
	delayUS    = 400
	delayError = 0.10
	delayRate  = 500 // events a second, at which no event waits for another
)

// workTurns of the loop in the program, which takes a nanosecond or two each, and
// workError how far the cost of the second that many may be from that of the
// first. That one per cent is seen is for virtual time to show.
const (
	workTurns = 20000
	workError = 0.10
)

// invariants that a fault of the reader breaks.
var breaks = map[string][]string{
	transport.Drop:      {"submitted = delivered + residual", "sequence gaps = failed + discarded"},
	transport.Duplicate: {"submitted = delivered + residual", "duplicates = 0", "inversions within a CPU = 0"},
	transport.Reorder:   {"inversions within a CPU = 0"},
	transport.Tear:      {"sequence gaps = failed + discarded", "torn events = 0"},
}

// Cell is the storm that the faults are injected into.
func Cell(kind bpf.Transport, attach bpf.Attach) record.Cell {
	return record.Cell{
		Transport: string(kind), Policy: transport.DefaultPolicy(kind), Attach: string(attach),
		Workload: string(bpf.Storm), Events: events, Batch: 1, PayloadBytes: bpf.EventBytes,
		RingBytes: 1 << 20, RingBytesTotal: 1 << 20, Equal: "each", Producers: 1, Placement: "apart",
	}
}

// Run injects every fault into every transport. report is called with each result
// as soon as it is known.
func Run(ctx context.Context, measure Measure, attach bpf.Attach, report func(Result)) error {
	for _, kind := range bpf.Transports() {
		cell := Cell(kind, attach)
		clean, err := run(ctx, measure, cell, "")
		if err != nil {
			return err
		}
		report(Result{
			Transport: string(kind), Fault: "none", Injected: "0", Recovered: fmt.Sprint(len(broken(clean))),
			Found: len(broken(clean)) == 0,
		})
		for _, fault := range []string{transport.Drop, transport.Duplicate, transport.Reorder, transport.Tear} {
			t, err := run(ctx, measure, cell, fmt.Sprintf("%s=%d", fault, every))
			if err != nil {
				return err
			}
			report(counted(kind, fault, t))
		}
		for _, experiment := range []func(context.Context, Measure, record.Cell) (Result, error){delay, work} {
			result, err := experiment(ctx, measure, cell)
			if err != nil {
				return err
			}
			report(result)
		}
	}
	return nil
}

func run(ctx context.Context, measure Measure, cell record.Cell, fault string) (*record.Trial, error) {
	cell.Fault = fault
	t, err := measure(ctx, cell)
	if err != nil {
		return nil, fmt.Errorf("%s with fault %q: %w", cell.Transport, fault, err)
	}
	t.Cell = cell
	return t, nil
}

// broken names the lines of the ledger that do not hold.
func broken(t *record.Trial) []string {
	var names []string
	for _, line := range ledger.Check(&t.Cell, t.Counts) {
		if !line.Holds {
			names = append(names, line.Invariant)
		}
	}
	return names
}

// counted compares the number of faults with what the counts say.
func counted(kind bpf.Transport, fault string, t *record.Trial) Result {
	c := t.Counts
	recovered := map[string]uint64{
		transport.Drop:      c.Submitted - c.Delivered,
		transport.Duplicate: c.Duplicates,
		transport.Reorder:   c.InversionsCPU,
		transport.Tear:      c.Torn,
	}[fault]
	injected := c.Submitted / every
	names := broken(t)
	slices.Sort(names)
	want := slices.Sorted(slices.Values(breaks[fault]))
	return Result{
		Transport: string(kind), Fault: fault,
		Injected: fmt.Sprint(injected), Recovered: fmt.Sprint(recovered),
		Found: recovered == injected && slices.Equal(names, want),
	}
}

// tries of what is timed.
const tries = 5

// timed returns the figure of each try, in order. Whoever else runs on the machine
// makes a trial take longer.
func timed(ctx context.Context, measure Measure, cell record.Cell, fault string, of func(*record.Trial) float64) ([]float64, error) {
	var all []float64
	for range tries {
		t, err := run(ctx, measure, cell, fault)
		if err != nil {
			return nil, err
		}
		all = append(all, of(t))
	}
	slices.Sort(all)
	return all, nil
}

// delay compares the median latency with and without.
func delay(ctx context.Context, measure Measure, cell record.Cell) (Result, error) {
	cell.RateHz, cell.Events = delayRate, delayRate/2
	latency := func(t *record.Trial) float64 { return float64(t.Latency.P50) }
	without, err := timed(ctx, measure, cell, "", latency)
	if err != nil {
		return Result{}, err
	}
	with, err := timed(ctx, measure, cell, fmt.Sprintf("%s=%d", transport.Delay, delayUS), latency)
	if err != nil {
		return Result{}, err
	}
	seen := (with[0] - without[0]) / 1000
	return Result{
		Transport: cell.Transport, Fault: transport.Delay,
		Injected:  fmt.Sprintf("%d us", delayUS),
		Recovered: fmt.Sprintf("%.1f us (within %g %%)", seen, 100*delayError),
		Found:     math.Abs(seen-delayUS) <= delayUS*delayError,
	}, nil
}

// rounds of the work, always as many: who measures on until it fits has shown
// nothing.
const rounds = 9

// work compares the cost of once and twice as many turns of a loop: the second
// must add what the first did. Nobody is woken, which would cost more than either.
//
// Each round has its own comparison, of trials that follow each other. A machine
// that becomes slower between two of them spoils that round, and the median of all
// is right once most are not spoilt.
func work(ctx context.Context, measure Measure, cell record.Cell) (Result, error) {
	cell.Policy, cell.FlushMS = transport.Timer, 10
	var once, ratios []float64
	for range rounds {
		var cost [3]float64
		for i := range cost {
			fault := ""
			if i > 0 {
				fault = fmt.Sprintf("%s=%d", transport.Work, i*workTurns)
			}
			t, err := run(ctx, measure, cell, fault)
			if err != nil {
				return Result{}, err
			}
			cost[i] = t.Cost.ProducerCPUMedianNSPerEvent
		}
		once = append(once, cost[1]-cost[0])
		ratios = append(ratios, (cost[2]-cost[1])/(cost[1]-cost[0]))
	}
	return Result{
		Transport: cell.Transport, Fault: transport.Work,
		Injected:  fmt.Sprintf("%d turns, then as many more", workTurns),
		Recovered: fmt.Sprintf("%.2f ns a turn, then %.3f of that (within %g %%)", median(once)/workTurns, median(ratios), 100*workError),
		Found:     median(once) > workTurns/10 && math.Abs(median(ratios)-1) < workError,
	}, nil
}

// median is that of an odd number.
func median(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }
