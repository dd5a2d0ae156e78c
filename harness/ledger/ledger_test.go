// SPDX-License-Identifier: MIT

package ledger

import (
	"fmt"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// sound is a trial of 100 programs of which 10 events were refused, or of a flight recorder
// overwritten.
func sound(kind vocab.Transport) (record.Cell, record.Counts) {
	cell := record.Cell{Transport: kind, PayloadBytes: vocab.EventBytes, Batch: 1, Workload: vocab.Execve}
	c := record.Counts{
		Started: 100, Triggers: 105, Foreign: 5, Attempts: 100, Submitted: 90, Delivered: 90,
		SeqGaps: 10, MissingTokens: 10,
	}
	family := kind.Spec().Family
	switch {
	case family.Overwrites:
		c.Submitted, c.Overwritten, c.Fits = 100, 10, 90
		return cell, c
	case family.FullErrno == "":
		c.Submitted, c.Delivered, c.SeqGaps, c.MissingTokens = 100, 100, 0, 0
		return cell, c
	}
	c.Failed = map[string]uint64{family.FullErrno: 10}
	if family.ReportsLoss {
		c.LostReported, c.LostTail = 4, 6
	}
	if family.HasPositions {
		c.ProducerBytes = uint64(90 * kind.FootprintBytes(vocab.EventBytes))
	}
	if family.Stages {
		c.Records = 3
		c.ProducerBytes += 3 * vocab.RecordHeaderBytes
	}
	c.ConsumerBytes = c.ProducerBytes
	return cell, c
}

func open(cell record.Cell, c record.Counts) []string {
	var names []string
	for _, line := range Check(&cell, &c) {
		if !line.Holds {
			names = append(names, line.Invariant)
		}
	}
	return names
}

func TestSoundLedgerBalances(t *testing.T) {
	for _, kind := range vocab.Transports() {
		if names := open(sound(kind)); names != nil {
			t.Errorf("%s: %v do not hold", kind, names)
		}
	}
}

// ofEvents are the faults of counts that are not there where only totals are known.
var ofEvents = map[string]bool{
	"twice": true, "out of order on a CPU": true, "torn": true, "wrong length": true, "token of another trial": true,
	"content is not the truth": true, "token lost without a reason": true, "gap without a reason": true,
}

// TestEveryFaultIsSeen: each kind of wrong counts violates an invariant.
func TestEveryFaultIsSeen(t *testing.T) {
	for name, fault := range map[string]func(*record.Counts){
		"program missed by the twin":  func(c *record.Counts) { c.Started++ },
		"run skipped by the kernel":   func(c *record.Counts) { c.Misses++ },
		"trigger not counted":         func(c *record.Counts) { c.Triggers-- },
		"foreign not counted":         func(c *record.Counts) { c.Foreign-- },
		"attempt without outcome":     func(c *record.Counts) { c.Attempts++ },
		"submitted, not delivered":    func(c *record.Counts) { c.Delivered-- },
		"delivered, not submitted":    func(c *record.Counts) { c.Delivered++ },
		"left in the ring":            func(c *record.Counts) { c.Delivered--; c.Residual++ },
		"failure not counted":         func(c *record.Counts) { c.Failed = map[string]uint64{} },
		"failure of another kind":     func(c *record.Counts) { c.Failed = map[string]uint64{"EBUSY": 10} },
		"discard nobody knows of":     func(c *record.Counts) { c.Discarded++ },
		"twice":                       func(c *record.Counts) { c.Duplicates++ },
		"out of order on a CPU":       func(c *record.Counts) { c.InversionsCPU++ },
		"torn":                        func(c *record.Counts) { c.Torn++ },
		"wrong length":                func(c *record.Counts) { c.Misshaped++ },
		"token of another trial":      func(c *record.Counts) { c.UnknownTokens++ },
		"content is not the truth":    func(c *record.Counts) { c.Mismatched++ },
		"token lost without a reason": func(c *record.Counts) { c.MissingTokens++ },
		"gap without a reason":        func(c *record.Counts) { c.SeqGaps++ },
	} {
		for _, kind := range vocab.Transports() {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				cell, c := sound(kind)
				before := fmt.Sprint(c)
				fault(&c)
				if fmt.Sprint(c) == before {
					return // it has no such count
				}
				if cell.TotalsOnly() && ofEvents[name] {
					return // nothing is known of a single event
				}
				if open(cell, c) == nil {
					t.Error("every line still holds")
				}
			})
		}
	}
}

// TestFaultsOfVariants: what only some transports count.
func TestFaultsOfVariants(t *testing.T) {
	for name, test := range map[string]struct {
		kind  vocab.Transport
		fault func(*record.Cell, *record.Counts)
	}{
		"a staged event that nobody flushed": {vocab.RingbufBatched, func(_ *record.Cell, c *record.Counts) { c.Staged++; c.Attempts++; c.Triggers++; c.Started++ }},
		"a record that nobody sent":          {vocab.RingbufBatched, func(_ *record.Cell, c *record.Counts) { c.Records++ }},
		"an old event kept, a newer missing": {vocab.PerfOverwrite, func(_ *record.Cell, c *record.Counts) { c.MissingNewest++ }},
		"less than fits was kept":            {vocab.RingbufOverwrite, func(_ *record.Cell, c *record.Counts) { c.Delivered--; c.Overwritten++; c.SeqGaps++; c.MissingTokens++ }},
		"a refusal of a recorder":            {vocab.PerfOverwrite, func(_ *record.Cell, c *record.Counts) { c.Failed = map[string]uint64{"ENOSPC": 1}; c.Attempts++ }},
		"footprints of several sizes": {vocab.RingbufOutput, func(cell *record.Cell, c *record.Counts) {
			cell.Sizes, c.FootprintBytes = "heavy", c.ProducerBytes-8
		}},
	} {
		cell, c := sound(test.kind)
		test.fault(&cell, &c)
		if open(cell, c) == nil {
			t.Errorf("%s: every line still holds", name)
		}
	}
}

// TestDesignedErrnosAreLoss: a CPU without a ring is a loss with a cause, and no bug.
func TestDesignedErrnosAreLoss(t *testing.T) {
	for errno, fine := range map[string]bool{"ENOENT": true, "EOPNOTSUPP": true, "EBUSY": false, "E2BIG": false} {
		cell, c := sound(vocab.Perf)
		c.Failed = map[string]uint64{"ENOSPC": 7, errno: 3}
		c.LostTail -= 3
		if names := open(cell, c); (names == nil) != fine {
			t.Errorf("%s: %v do not hold", errno, names)
		}
	}
}

func TestFaultsOfOneTransport(t *testing.T) {
	cell, c := sound(vocab.Perf)
	c.LostTail--
	if open(cell, c) == nil {
		t.Error("perf: a lost event that the kernel never reports goes unseen")
	}
	cell, c = sound(vocab.Ringbuf)
	c.ConsumerBytes -= 8
	if open(cell, c) == nil {
		t.Error("ringbuf: the consumer is behind, unseen")
	}
	cell, c = sound(vocab.Ringbuf)
	c.ConsumerBytes += 72
	c.ProducerBytes += 72
	if open(cell, c) == nil {
		t.Error("ringbuf: a record that nobody submitted goes unseen")
	}
}

// TestGlobalInversionsAreLegal: two CPUs may draw their times in one order and
// reserve in the other.
func TestGlobalInversionsAreLegal(t *testing.T) {
	cell, c := sound(vocab.Ringbuf)
	c.InversionsGlobal = 7
	if names := open(cell, c); names != nil {
		t.Errorf("%v do not hold", names)
	}
}
