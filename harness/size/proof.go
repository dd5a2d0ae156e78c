// SPDX-License-Identifier: MIT

package size

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Outcome is how the attempt at a proof ended.
type Outcome string

// The outcomes.
const (
	// Proved: nothing was lost at the size, and something at half of it if that exists.
	Proved Outcome = "proved"
	// Refuted: the trials show something else.
	Refuted Outcome = "refuted"
	// Impossible: no trial can have so many events, or there is no size.
	Impossible Outcome = "impossible"
	// NotMeasured: a trial failed.
	NotMeasured Outcome = "not-measured"
)

// Proof is the trials of one size, by their counts.
type Proof struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	Events  int     `json:"events,omitempty"` // that each trial sent
	// Lost is the events lost at RingBytes, LostBelow those at BelowBytes, half of it; 0:
	// the ring is the smallest.
	RingBytes  int `json:"ring_bytes,omitempty"`
	Lost       int `json:"lost"`
	BelowBytes int `json:"below_bytes,omitempty"`
	LostBelow  int `json:"lost_below,omitempty"`
}

// proofFlushMS is how often a reader looks that nobody wakes.
const proofFlushMS = 10

// Cells are the trials that prove the size, at it and at half of it, on a machine of cpus
// CPUs: one producer on one CPU sends all events while the reader sleeps, so counts
// decide and not times. There are none where the size cannot be proved: then the proof is
// set, with the reason.
func (s *Size) Cells(attach vocab.Attach, cpus int) []record.Cell {
	if s.Events > record.MostKept {
		s.Proof = &Proof{Outcome: Impossible, Reason: fmt.Sprintf("%s are more than the %s of a trial", plural(s.Events, "event"), count(record.MostKept))}
		return nil
	}
	if s.Why != "" {
		s.Proof = &Proof{Outcome: Impossible, Reason: s.Why}
		return nil
	}
	cell := record.Cell{
		Transport: s.Transport, Policy: s.Transport.DefaultPolicy(), Attach: attach,
		Workload: vocab.Storm, Events: s.Events, Batch: 1, PayloadBytes: s.eventBytes,
		Equal: vocab.EqualEach, FlushMS: proofFlushMS, Producers: 1, Placement: vocab.Hot, ReaderStallMS: record.UntilOver,
	}
	var cells []record.Cell
	for _, each := range []int{s.RingBytes, s.RingBytes / 2} {
		if each >= s.LeastBytes {
			cell.RingBytes, cell.RingBytesTotal = each, each*s.Transport.Rings(cpus, "")
			cells = append(cells, cell)
		}
	}
	return cells
}

// Lacking sets the proof of a transport that a kernel does not have.
func (s *Size) Lacking(release string) {
	s.Proof = &Proof{Outcome: Impossible, Reason: fmt.Sprintf("Linux %s does not have it, which is there since %s", release, s.Transport.Spec().Since)}
}

// NotMeasured sets the proof of a size whose trials could not be measured.
func (s *Size) NotMeasured(err error) { s.Proof = &Proof{Outcome: NotMeasured, Reason: err.Error()} }

// Judge sets the proof from the counts of the trials of Cells, in their order.
func (s *Size) Judge(cells []record.Cell, counts []*record.Counts) {
	p := &Proof{Outcome: Proved, Events: s.Events}
	s.Proof = p
	if len(counts) != len(cells) {
		s.NotMeasured(fmt.Errorf("%d trials were measured, want %d", len(counts), len(cells)))
		return
	}
	for i := range cells {
		if sent := counts[i].Attempts; sent != uint64(s.Events) {
			s.NotMeasured(fmt.Errorf("%d events were sent, want %d", sent, s.Events))
			return
		}
		lost, err := lostOf(&cells[i], counts[i])
		below := cells[i].RingBytes < s.RingBytes
		if below {
			p.BelowBytes, p.LostBelow = cells[i].RingBytes, lost
		} else {
			p.RingBytes, p.Lost = cells[i].RingBytes, lost
		}
		switch {
		case p.Outcome != Proved:
		case err != nil:
			p.Outcome, p.Reason = Refuted, err.Error()
		case below != (lost > 0):
			p.Outcome, p.Reason = Refuted, fmt.Sprintf("the formula is wrong: a ring of %s should take %s",
				bytes(cells[i].RingBytes), count(s.Transport.Capacity(cells[i].RingBytes, s.eventBytes)))
		}
	}
}

// lostOf is how many events did not arrive. It is an error if the counts cannot be true.
func lostOf(cell *record.Cell, c *record.Counts) (int, error) {
	for _, line := range ledger.Check(cell, c) {
		if !line.Holds {
			return 0, fmt.Errorf("the ledger does not balance: %s: %s", line.Invariant, line.Detail)
		}
	}
	return int(c.Attempts - c.Delivered), nil
}

// text is the proof in a line.
func (p *Proof) text() string {
	counts := fmt.Sprintf("%s of %s lost at %s", count(p.Lost), count(p.Events), bytes(p.RingBytes))
	if p.BelowBytes > 0 {
		counts += fmt.Sprintf(", %s lost at %s", count(p.LostBelow), bytes(p.BelowBytes))
	} else {
		counts += "; there is no size below"
	}
	switch p.Outcome {
	case Proved:
		return "proved: " + counts
	case Refuted:
		return "refuted: " + counts + ": " + p.Reason
	case Impossible:
		return "no proof is possible: " + p.Reason
	}
	return "not measured: " + p.Reason
}
