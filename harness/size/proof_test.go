// SPDX-License-Identifier: MIT

package size

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// counted is what a trial counts that loses so many events.
func counted(cell *record.Cell, lost int) *record.Counts {
	sent, gone := uint64(cell.Events), uint64(lost)
	family := cell.Transport.Spec().Family
	c := &record.Counts{
		Started: sent, Triggers: sent, Attempts: sent, Submitted: sent - gone, Delivered: sent - gone, Drained: sent - gone,
		SeqGaps: gone, Failed: map[string]uint64{family.FullErrno: gone},
	}
	if family.ReportsLoss {
		c.LostTail = gone
	}
	if family.HasPositions {
		c.ProducerBytes = c.Submitted * uint64(cell.Transport.FootprintBytes(cell.PayloadBytes))
		c.ConsumerBytes = c.ProducerBytes
	}
	return c
}

func sizeOf(t *testing.T, kind vocab.Transport, events, eventBytes int) *Size {
	t.Helper()
	s, err := Of(kind, Load{Burst: events, EventBytes: eventBytes, CPUs: 8})
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestCells: both trials are ones that a plan may have, and differ in the ring alone.
func TestCells(t *testing.T) {
	for _, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf, vocab.RingbufOutput} {
		s := sizeOf(t, kind, 22_500, 120)
		cells := s.Cells(vocab.AttachTracepoint, 2)
		if len(cells) != 2 || s.Proof != nil {
			t.Fatalf("%s: %d cells, %+v", kind, len(cells), s.Proof)
		}
		for i, each := range []int{4 << 20, 2 << 20} {
			c := &cells[i]
			if c.RingBytes != each || c.RingBytesTotal != each*kind.Rings(2, "") || c.Events != 22_500 || c.ReaderStallMS != record.UntilOver || c.Producers != 1 {
				t.Errorf("%s: %+v", kind, c)
			}
			for _, x := range axis.All() {
				if err := x.Check(x.Get(c)); err != nil {
					t.Errorf("%s: %s: %v", kind, x.Name, err)
				}
			}
			if err := kind.CheckPolicy(c.Policy, c.RingBytes, c.PayloadBytes); err != nil {
				t.Error(err)
			}
		}
		cells[0].RingBytes, cells[0].RingBytesTotal = cells[1].RingBytes, cells[1].RingBytesTotal
		if diff := cmp.Diff(cells[0], cells[1]); diff != "" {
			t.Error(diff)
		}
	}
	if cells := sizeOf(t, vocab.Ringbuf, 20, 120).Cells(vocab.AttachTracepoint, 2); len(cells) != 1 {
		t.Errorf("%d cells of the smallest ring", len(cells))
	}
	s := sizeOf(t, vocab.Ringbuf, 1_000_001, 8)
	if cells := s.Cells(vocab.AttachTracepoint, 2); cells != nil || s.Proof.Outcome != Impossible ||
		s.Proof.text() != "no proof is possible: 1,000,001 events are more than the 1,000,000 of a trial" {
		t.Errorf("%v, %+v", cells, s.Proof)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   vocab.Transport
		events int
		lost   []int // of each trial
		spoil  func(*record.Counts)
		want   string
		err    error
	}{
		{"perf", vocab.Perf, 22_500, []int{0, 7080}, nil, "proved: 0 of 22,500 lost at 4 MiB, 7,080 lost at 2 MiB", nil},
		{"ring buffer", vocab.Ringbuf, 22_500, []int{0, 6117}, nil, "proved: 0 of 22,500 lost at 4 MiB, 6,117 lost at 2 MiB", nil},
		{"smallest", vocab.Ringbuf, 20, []int{0}, nil, "proved: 0 of 20 lost at 4 KiB; there is no size below", nil},
		{
			"lost at the size", vocab.Ringbuf, 22_500, []int{1, 6117}, nil,
			"refuted: 1 of 22,500 lost at 4 MiB, 6,117 lost at 2 MiB: the formula is wrong: a ring of 4 MiB should take 32,767", ErrRefuted,
		},
		{
			"nothing lost below", vocab.Perf, 22_500, []int{0, 0}, nil,
			"refuted: 0 of 22,500 lost at 4 MiB, 0 lost at 2 MiB: the formula is wrong: a ring of 2 MiB should take 15,420", ErrRefuted,
		},
		{
			"ledger", vocab.Perf, 20, []int{0}, func(c *record.Counts) { c.Torn = 1 },
			"refuted: 0 of 20 lost at 4 KiB; there is no size below: the ledger does not balance: torn events = 0: 1, not 0", ErrRefuted,
		},
		{
			"not all sent", vocab.Perf, 20, []int{0}, func(c *record.Counts) { c.Attempts-- },
			"not measured: 19 events were sent, want 20", ErrNotMeasured,
		},
		{"no trial", vocab.Perf, 20, nil, nil, "not measured: 0 trials were measured, want 1", ErrNotMeasured},
	} {
		s := sizeOf(t, test.kind, test.events, 120)
		cells := s.Cells(vocab.AttachTracepoint, 2)
		var counts []*record.Counts
		for i, lost := range test.lost {
			counts = append(counts, counted(&cells[i], lost))
			if test.spoil != nil {
				test.spoil(counts[i])
			}
		}
		s.Judge(cells, counts)
		if got := s.Proof.text(); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, got, test.want)
		}
		if err := (&Answer{Sizes: []Size{{}, *s}}).Err(); !errors.Is(err, test.err) {
			t.Errorf("%s: %v, want %v", test.name, err, test.err)
		}
	}
}
