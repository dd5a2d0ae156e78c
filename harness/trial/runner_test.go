// SPDX-License-Identifier: MIT

package trial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

func newRunner(t *testing.T) *Runner {
	t.Helper()
	testutils.Root(t)
	r, err := NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func cell(t *testing.T, kind vocab.Transport) record.Cell {
	t.Helper()
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	return record.Cell{
		Transport: kind, Policy: kind.DefaultPolicy(), Attach: attach, Workload: "execve",
		Events: 200, Batch: 1, Producers: 2, PayloadBytes: 73, RingBytes: 1 << 20, FlushMS: 10,
	}
}

// supported are the transports of this kernel.
func supported(t *testing.T) []vocab.Transport {
	t.Helper()
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(vocab.Transports(), func(kind vocab.Transport) bool {
		err := bpf.ProbeTransport(kind, attach)
		if err != nil && !errors.Is(err, bpf.ErrUnsupported) {
			t.Fatal(err)
		}
		return err != nil
	})
}

// measure runs a trial whose ledger must balance.
func measure(t *testing.T, r *Runner, c record.Cell) *record.Trial {
	t.Helper()
	out, err := r.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range ledger.Check(&c, out.Counts) {
		if !line.Holds {
			t.Errorf("%s: %s", line.Invariant, line.Detail)
		}
	}
	return out
}

func TestRunDeliversEverything(t *testing.T) {
	r := newRunner(t)
	for _, kind := range supported(t) {
		t.Run(string(kind), func(t *testing.T) {
			out := measure(t, r, cell(t, kind))
			if c := out.Counts; c.Started != 200 || c.Delivered != 200 || c.MissingTokens != 0 || c.FailedTotal() != 0 {
				t.Errorf("counts %+v, want 200 started and delivered", c)
			}
			if kind.Spec().Family.Totals {
				return // nothing is known of a single event
			}
			if l := out.Latency; l.N+l.Negative != 200 || l.P50 <= 0 || l.P99 < l.P50 || l.Max < l.P99 {
				t.Errorf("latency %+v", l)
			}
			if c := out.Cost; c.ProducerNSPerEvent <= 0 || c.ConsumerCPUNSPerEvent <= 0 || c.Wakeups <= 0 && !kind.Spec().Family.Overwrites {
				t.Errorf("cost %+v, want all above 0", c)
			}
		})
	}
}

// TestRunAccountsForLoss: a reader that sleeps through the load leaves exactly
// what the rings hold, and the rest is in the ledger under the right errno.
func TestRunAccountsForLoss(t *testing.T) {
	r := newRunner(t)
	for _, kind := range supported(t) {
		family := kind.Spec().Family
		if family.FullErrno == "" || family.Stages {
			continue // it refuses nothing, or whole records
		}
		errno := family.FullErrno
		t.Run(string(kind), func(t *testing.T) {
			c := cell(t, kind)
			c.Placement, c.Shards = vocab.Hot, "1"
			c.RingBytes, c.ReaderStallMS, c.Producers = 4096, record.UntilOver, 1
			out := measure(t, r, c)
			fits := uint64(kind.Capacity(4096, c.PayloadBytes))
			if got := out.Counts.Delivered; got != fits {
				t.Errorf("%d delivered, a page holds %d", got, fits)
			}
			if got := out.Counts.Failed[errno]; got != 200-fits {
				t.Errorf("failed %v, want %d of %s", out.Counts.Failed, 200-fits, errno)
			}
			// Nothing was written after the loss, so the kernel did not report it.
			if kind == vocab.Perf && (out.Counts.LostReported != 0 || out.Counts.LostTail != 200-fits) {
				t.Errorf("lost %d reported and %d in the tail, want 0 and %d", out.Counts.LostReported, out.Counts.LostTail, 200-fits)
			}
		})
	}
}

// TestStorm: every transport under every policy accounts for every event, of all
// sizes and wherever the producers run.
func TestStorm(t *testing.T) {
	r := newRunner(t)
	number := 0
	for name, change := range map[string]func(*record.Cell){
		"as fast as possible": func(*record.Cell) {},
		"8 bytes":             func(c *record.Cell) { c.PayloadBytes = 8 },
		"9 bytes":             func(c *record.Cell) { c.PayloadBytes = 9 },
		"16 bytes, batches":   func(c *record.Cell) { c.PayloadBytes, c.Batch = 16, 500 },
		"32 KiB":              func(c *record.Cell) { c.PayloadBytes, c.Events = 32<<10, 100 },
		"on one CPU":          func(c *record.Cell) { c.Placement = "hot" },
		"on the reader's CPU": func(c *record.Cell) { c.Placement = "same" },
		"slow reader":         func(c *record.Cell) { c.ReaderDelayNS = 2000 },
		"back-to-back":        func(c *record.Cell) { c.Placement, c.Batch, c.Producers = "back-to-back", 50, 1 },
		"paced":               func(c *record.Cell) { c.RateHz, c.Events = 10_000, 1000 },
		"paced batches":       func(c *record.Cell) { c.RateHz, c.Events, c.Batch = 100_000, 10_000, 50 },
		"overload":            func(c *record.Cell) { c.RingBytes, c.ReaderStallMS = 4096, record.UntilOver },
		"overload, batches":   func(c *record.Cell) { c.RingBytes, c.ReaderStallMS, c.Batch = 4096, record.UntilOver, 500 },
	} {
		for _, kind := range supported(t) {
			family := kind.Spec().Family
			if name == "back-to-back" && (family.Overwrites || family.Totals || family.Stages) || name == "32 KiB" && family.Stages {
				continue // a plan refuses it
			}
			for i, policy := range kind.Policies() {
				if number++; number%4 != i%4 && name != "as fast as possible" && name != "overload" {
					continue // of the others only a few, as all would take a minute
				}
				t.Run(name+"/"+string(kind)+"/"+policy, func(t *testing.T) {
					c := cell(t, kind)
					c.Workload, c.Events, c.PayloadBytes, c.FlushMS = "storm", 10_000, 64, 10
					if name, _, hasN := strings.Cut(policy, "="); hasN {
						policy = name + "=20"
					}
					c.Policy = vocab.Policy(policy)
					change(&c)
					out := measure(t, r, c)
					if out.Counts.Started != uint64(c.Events/c.Batch) {
						t.Errorf("%d triggers", out.Counts.Started)
					}
					full := c.ReaderStallMS != 0 && family.FullErrno != ""
					if lost := out.Counts.FailedTotal(); full && lost == 0 || family.FullErrno == "" && lost != 0 {
						t.Errorf("lost %d", lost)
					}
					if (out.Intended != nil) != (c.RateHz > 0) && !family.Totals {
						t.Errorf("latency from the intended time: %+v", out.Intended)
					}
				})
			}
		}
	}
}

func TestRunAtARate(t *testing.T) {
	r := newRunner(t)
	c := cell(t, vocab.Ringbuf)
	c.Events, c.RateHz = 20, 200
	out := measure(t, r, c)
	if out.Rate.OfferedHz != 200 || out.Rate.AchievedHz > 250 {
		t.Errorf("rate %+v, want 200 Hz", out.Rate)
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	r := newRunner(t)
	for name, change := range map[string]func(*record.Cell){
		"transport": func(c *record.Cell) { c.Transport = "pigeon" },
		"attach":    func(c *record.Cell) { c.Attach = "hook" },
		"ring":      func(c *record.Cell) { c.RingBytes = 5000 },
		"programs":  func(c *record.Cell) { c.Events = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := cell(t, vocab.Ringbuf)
			change(&c)
			if out, err := r.Run(t.Context(), c); err == nil {
				t.Errorf("measured %+v", out.Counts)
			}
		})
	}
}

// TestCompare: all twins on the same programs deliver the same events, with the
// message of each user.
func TestCompare(t *testing.T) {
	r := newRunner(t)
	c := cell(t, vocab.Perf)
	c.Events = 30
	kinds := supported(t)
	got, err := r.CheckTwins(t.Context(), c, kinds)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Truth) != 30 {
		t.Fatalf("%d programs, want 30", len(got.Truth))
	}
	for _, kind := range kinds {
		if kind.Spec().Family.Totals {
			if got.Counted[kind] != 30 {
				t.Errorf("%s counted %d", kind, got.Counted[kind])
			}
		} else if diff := cmp.Diff(got.Truth, got.Twins[kind]); diff != "" {
			t.Errorf("%s (-truth +got):\n%s", kind, diff)
		}
	}
	messages := map[string]int{}
	for _, event := range got.Twins[vocab.Perf] {
		messages[fmt.Sprint(event.UID, " ", event.Message)]++
	}
	want := map[string]int{"0 Hey root!": 10, "501 Hi user 501!": 10, "1000 Hello World": 10}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestConsumerDoesNotAllocate: per event, whatever the transport.
func TestConsumerDoesNotAllocate(t *testing.T) {
	for _, kind := range vocab.Transports() {
		c := newConsumer(nil, consumerOptions{cell: record.Cell{Transport: kind, Workload: vocab.Storm, PayloadBytes: vocab.EventBytes}, most: 1000})
		raw := make([]byte, c.sample)
		// An event of a storm that is all 0 but for its last word is sound.
		binary.NativeEndian.PutUint64(raw[vocab.EventBytes-8:], 0x9e3779b97f4a7c15)
		binary.NativeEndian.PutUint64(raw[8:], 0)
		sample := &transport.Sample{Raw: raw}
		if n := testing.AllocsPerRun(500, func() { c.take(sample) }); n != 0 {
			t.Errorf("%s: %v allocations an event, want 0", kind, n)
		}
		if c.torn+c.misshaped+c.overflow != 0 || len(c.events) != 501 {
			t.Errorf("%s: took %d events, %d torn", kind, len(c.events), c.torn)
		}
	}
}
