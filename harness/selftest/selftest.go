// SPDX-License-Identifier: MIT

// Package selftest proves the measurer: it injects known faults into trials and
// says what the ledger and the figures made of them.
//
// What is counted is exact wherever it is measured. What is timed is exact in
// virtual time. On a host it is known within an error, and only if the host had
// time for it: there an answer may be that nothing can be said.
package selftest

import (
	"context"
	"fmt"
	"slices"

	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Measure runs a trial of each cell, in order and on the same kernel.
type Measure func(context.Context, []record.Cell) ([]*record.Trial, error)

// Answer says whether a fault was found.
type Answer string

// The answers.
const (
	// Found: what was recovered is what was injected, or within the error that is
	// stated, and the ledger broke where it must and nowhere else.
	Found Answer = "found"
	// NotFound: it is something else, and nothing else explains that.
	NotFound Answer = "not found"
	// TooBusy: the host had so much else to do that its clock cannot tell.
	TooBusy Answer = "too busy to say"
)

// Result is what came of one fault under one transport.
type Result struct {
	Transport vocab.Transport `json:"transport"`
	Fault     vocab.FaultKind `json:"fault"` // none: nothing was injected
	Injected  string          `json:"injected"`
	Recovered string          `json:"recovered"`
	Answer    Answer          `json:"answer"`
	// Disturbed says what kept the threads of what was timed from running; empty in
	// virtual time, and for what is counted.
	Disturbed string `json:"disturbed,omitempty"`
}

// Options say what is proved.
type Options struct {
	Measure Measure
	Attach  vocab.Attach
	// Transports are those that faults are injected into. Default: all.
	Transports []vocab.Transport
	// Virtual says that an instruction takes a nanosecond where Measure measures.
	Virtual bool
}

// None is the fault of a trial without any.
const None vocab.FaultKind = "none"

// Faults are what is injected, in this order.
func Faults() []vocab.FaultKind { return append([]vocab.FaultKind{None}, vocab.Faults()...) }

// events of a trial, and every which of them is at fault: neither divides the
// other.
const (
	events = 2000
	every  = 7
)

// invariants that a fault of the reader breaks.
var breaks = map[vocab.FaultKind][]string{
	vocab.Drop:      {"submitted = delivered + residual", "sequence gaps = failed + discarded"},
	vocab.Duplicate: {"submitted = delivered + residual", "duplicates = 0", "inversions within a CPU = 0"},
	vocab.Reorder:   {"inversions within a CPU = 0"},
	vocab.Tear:      {"sequence gaps = failed + discarded", "torn events = 0"},
}

// Cell is the storm that the faults are injected into.
func Cell(kind vocab.Transport, attach vocab.Attach) record.Cell {
	return record.Cell{
		Transport: kind, Policy: kind.DefaultPolicy(), Attach: attach,
		Workload: vocab.Storm, Events: events, Batch: 1, PayloadBytes: vocab.EventBytes,
		RingBytes: 1 << 20, RingBytesTotal: 1 << 20, Equal: "each", Producers: 1, Placement: "apart",
	}
}

// experiment is the trials that one fault takes, and what they say of it.
type experiment struct {
	fault  vocab.FaultKind
	cells  []record.Cell
	verify func([]*record.Trial) Result
}

// Run injects every fault into every transport. report is called with each result
// once all of a transport are known.
func Run(ctx context.Context, o Options, report func(Result)) error {
	if o.Transports == nil {
		o.Transports = vocab.Transports()
	}
	for _, kind := range o.Transports {
		var cells []record.Cell
		experiments := o.experiments(Cell(kind, o.Attach))
		for _, x := range experiments {
			cells = append(cells, x.cells...)
		}
		trials, err := o.Measure(ctx, cells)
		if err == nil && len(trials) != len(cells) {
			err = fmt.Errorf("%d trials, want %d", len(trials), len(cells))
		}
		if err != nil {
			return fmt.Errorf("inject faults into %s: %w", kind, err)
		}
		for i, t := range trials {
			t.Cell = cells[i]
		}
		for _, x := range experiments {
			result := x.verify(trials[:len(x.cells)])
			result.Transport, result.Fault = kind, x.fault
			report(result)
			trials = trials[len(x.cells):]
		}
	}
	return nil
}

func (o *Options) experiments(cell record.Cell) []experiment {
	all := []experiment{{None, []record.Cell{cell}, clean}}
	for _, fault := range vocab.Faults() {
		switch fault {
		case vocab.Delay:
			all = append(all, o.delay(cell))
		case vocab.Work:
			all = append(all, o.work(cell))
		default:
			all = append(all, experiment{fault, []record.Cell{with(cell, fault, every)}, func(trials []*record.Trial) Result {
				return counted(fault, trials[0])
			}})
		}
	}
	return all
}

// with is the cell with n of a fault, or without any if n is 0.
func with(cell record.Cell, fault vocab.FaultKind, n int) record.Cell {
	if n > 0 {
		cell.Fault = fault.With(n)
	}
	return cell
}

// clean says what is broken where nothing was injected.
func clean(trials []*record.Trial) Result {
	names := broken(trials[0])
	return Result{Injected: "0", Recovered: fmt.Sprint(len(names)), Answer: answer(len(names) == 0)}
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
func counted(fault vocab.FaultKind, t *record.Trial) Result {
	c := t.Counts
	recovered := map[vocab.FaultKind]uint64{
		vocab.Drop:      c.Submitted - c.Delivered,
		vocab.Duplicate: c.Duplicates,
		vocab.Reorder:   c.InversionsCPU,
		vocab.Tear:      c.Torn,
	}[fault]
	injected := c.Submitted / every
	names := broken(t)
	slices.Sort(names)
	want := slices.Sorted(slices.Values(breaks[fault]))
	return Result{
		Injected: fmt.Sprint(injected), Recovered: fmt.Sprint(recovered),
		Answer: answer(recovered == injected && slices.Equal(names, want)),
	}
}

// answer is that to a question which counts decide.
func answer(found bool) Answer {
	if found {
		return Found
	}
	return NotFound
}
