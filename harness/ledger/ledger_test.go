// SPDX-License-Identifier: MIT

package ledger

import (
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// sound is a trial of 100 programs of which 10 events were refused.
func sound(kind vocab.Transport) (record.Cell, record.Counts) {
	cell := record.Cell{Transport: kind, PayloadBytes: vocab.EventBytes, Batch: 1, Workload: vocab.Execve}
	c := record.Counts{
		Started: 100, Triggers: 105, Foreign: 5, Attempts: 100, Submitted: 90, Delivered: 90,
		SeqGaps: 10, MissingTokens: 10,
	}
	if kind == vocab.Perf {
		c.Failed = map[string]uint64{"ENOSPC": 10}
		c.LostReported, c.LostTail = 4, 6
	} else {
		c.Failed = map[string]uint64{"EAGAIN": 10}
		c.ProducerBytes = uint64(90 * kind.FootprintBytes(vocab.EventBytes))
		c.ConsumerBytes = c.ProducerBytes
	}
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
				fault(&c)
				if open(cell, c) == nil {
					t.Error("every line still holds")
				}
			})
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
