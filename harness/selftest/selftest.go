// SPDX-License-Identifier: MIT

// Package selftest verifies the measurement: it injects known faults into trials and
// reports whether the ledger and the figures show them.
//
// Counts are exact everywhere. Times are exact in virtual time. On a host they have an
// error, and a busy host may give no answer.
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

// Answer is whether a fault was found.
type Answer string

// The answers.
const (
	// Found: the recovered fault equals the injected one, within the stated error, and
	// exactly the expected invariants are violated.
	Found Answer = "found"
	// NotFound: it differs, and no disturbance explains that.
	NotFound Answer = "not found"
	// Lacking: the kernel does not have the transport.
	Lacking Answer = "not supported by this kernel"
	// TooBusy: the host was too busy for its clock to decide.
	TooBusy Answer = "too busy to say"
)

// Result is the result of one fault under one transport.
type Result struct {
	Transport vocab.Transport `json:"transport"`
	Fault     vocab.FaultKind `json:"fault"` // none: nothing was injected
	Injected  string          `json:"injected"`
	Recovered string          `json:"recovered"`
	Answer    Answer          `json:"answer"`
	// Disturbed describes what kept the threads of timed trials from running; empty in
	// virtual time, and for counts.
	Disturbed string `json:"disturbed,omitempty"`
}

// Options of [Run].
type Options struct {
	Measure Measure
	Attach  vocab.Attach
	// Has reports whether the kernel has a transport; nil: all.
	Has func(vocab.Transport) (bool, error)
	// Transports are those that faults are injected into. Default: all.
	Transports []vocab.Transport
	// Virtual means that Measure runs in virtual time, one nanosecond an instruction.
	Virtual bool
}

// None is the fault of a trial without any.
const None vocab.FaultKind = "none"

// Faults are the injected faults, in this order.
func Faults() []vocab.FaultKind { return append([]vocab.FaultKind{None}, vocab.Faults()...) }

// events of a trial, and the interval of faulty ones: neither divides the other.
const (
	events = 2000
	every  = 7
)

// breaks are the invariants that a fault of the reader violates.
func breaks(kind vocab.Transport, fault vocab.FaultKind) []string {
	family := kind.Spec().Family
	delivered, gaps := "submitted = delivered + residual", "sequence gaps = failed + discarded"
	newest := "missing behind the oldest delivered of a CPU = 0"
	if family.Overwrites {
		delivered, gaps = "delivered = the events that fit", "sequence gaps = failed + discarded + overwritten"
	}
	switch fault {
	case vocab.Drop:
		switch {
		case family.Totals:
			return []string{delivered}
		case family.Overwrites:
			return []string{delivered, newest} // what is missing counts as overwritten
		}
		return []string{delivered, gaps}
	case vocab.Duplicate:
		switch {
		case family.Totals:
			return []string{delivered}
		case family.Overwrites:
			return []string{delivered, gaps, "duplicates = 0", "inversions within a CPU = 0"}
		}
		return []string{delivered, "duplicates = 0", "inversions within a CPU = 0"}
	case vocab.Reorder:
		return []string{"inversions within a CPU = 0"}
	case vocab.Tear:
		if family.Overwrites {
			return []string{gaps, newest, "torn events = 0"}
		}
		return []string{gaps, "torn events = 0"}
	case vocab.Strand:
		return []string{gaps, "staged = 0 after the flush"}
	}
	return nil
}

// applies reports whether a fault can be injected into a transport. Times are measured
// alike with all, and so with one of each kind of ring.
func applies(kind vocab.Transport, fault vocab.FaultKind) bool {
	family := kind.Spec().Family
	switch fault {
	case vocab.Strand:
		return family.Stages
	case vocab.Delay, vocab.Work:
		return kind.Is(vocab.PerfRings) || kind.Is(vocab.BPFRings)
	case vocab.Reorder, vocab.Tear:
		return !family.Totals
	}
	return true
}

// Cell is the storm that the faults are injected into.
func Cell(kind vocab.Transport, attach vocab.Attach) record.Cell {
	cell := record.Cell{
		Transport: kind, Policy: kind.DefaultPolicy(), Attach: attach,
		Workload: vocab.Storm, Events: events, Batch: 1, PayloadBytes: vocab.EventBytes,
		RingBytes: 1 << 20, RingBytesTotal: 1 << 20, Equal: vocab.EqualEach, Producers: 1, Placement: vocab.Apart,
	}
	family := kind.Spec().Family
	if family.Overwrites {
		cell.RingBytes, cell.RingBytesTotal = 1<<16, 1<<16 // or nothing would be overwritten
	}
	if !cell.ReaderOrDefault().Spec().Waits {
		cell.FlushMS = 10
	}
	return cell
}

// experiment is the trials that one fault takes, and their evaluation.
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
		if o.Has != nil {
			has, err := o.Has(kind)
			if err != nil {
				return fmt.Errorf("look for %s: %w", kind, err)
			}
			if !has {
				report(Result{Transport: kind, Fault: None, Answer: Lacking})
				continue
			}
		}
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
		if !applies(cell.Transport, fault) {
			continue
		}
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

// with returns the cell with n of a fault, or without a fault if n is 0.
func with(cell record.Cell, fault vocab.FaultKind, n int) record.Cell {
	if n > 0 {
		cell.Fault = fault.With(n)
	}
	return cell
}

// clean describes violations in trials without a fault.
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

// counted compares the number of injected faults with the counts.
func counted(fault vocab.FaultKind, t *record.Trial) Result {
	c := t.Counts
	kind := t.Cell.Transport
	injected, read := c.Submitted/every, c.Submitted
	if kind.Spec().Family.Overwrites {
		injected, read = c.Fits/every, c.Fits
	}
	recovered := map[vocab.FaultKind]uint64{
		vocab.Drop:      read - c.Delivered,
		vocab.Duplicate: c.Duplicates,
		vocab.Reorder:   c.InversionsCPU,
		vocab.Tear:      c.Torn,
		vocab.Strand:    c.Staged,
	}[fault]
	switch {
	case fault == vocab.Reorder:
		injected = (read - 1) / every // the last has no successor
	case fault == vocab.Strand:
		events, _, _ := vocab.DefaultStage.Limits()
		injected = c.Attempts % uint64(events)
	case fault == vocab.Duplicate && kind.Spec().Family.Totals:
		recovered = c.Delivered - read
	}
	names := broken(t)
	slices.Sort(names)
	want := slices.Sorted(slices.Values(breaks(kind, fault)))
	return Result{
		Injected: fmt.Sprint(injected), Recovered: fmt.Sprint(recovered),
		Answer: answer(recovered == injected && slices.Equal(names, want)),
	}
}

// answer is the answer of an experiment that counts decide.
func answer(found bool) Answer {
	if found {
		return Found
	}
	return NotFound
}
