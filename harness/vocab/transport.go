// SPDX-License-Identifier: MIT

// Package vocab is the vocabulary of a configuration: transports, policies, attach
// points, workloads, placements and faults, each a typed string that is listed in one
// table, with the formulas of capacity and footprint beside them.
//
// It makes no system call and depends on no other package of this module, so that readers
// of plans or results build on every system. Other packages implement the words: package
// bpf loads and attaches, harness/transport reads, harness/workload places producers.
package vocab

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Transport is how events leave the kernel.
type Transport string

// The transports.
const (
	Perf             Transport = "perf"
	Ringbuf          Transport = "ringbuf"
	RingbufOutput    Transport = "ringbuf-output"
	RingbufSharded   Transport = "ringbuf-sharded"
	RingbufBatched   Transport = "ringbuf-batched"
	RingbufDynptr    Transport = "ringbuf-dynptr"
	ArrayPolled      Transport = "array-polled"
	PerfOverwrite    Transport = "perf-overwrite"
	RingbufOverwrite Transport = "ringbuf-overwrite"
	CountOnly        Transport = "count-only"
)

// TransportSpec is the properties of a transport that do not depend on the kernel. A new
// transport is one more value in [transports], its send() in bpf/send, and its object in
// bpf/objects.go.
type TransportSpec struct {
	Name   Transport
	Title  string // in prose
	Short  string // in the name of a ratio
	Text   string // what it is, in a line
	Family *Family
	// Since is the first kernel with the transport.
	Since string
	// FixedSize says that events of several sizes all take as much as the largest: the
	// verifier has to know the size of a reservation.
	FixedSize bool
}

// Family is the common properties of transports that use the same kind of ring.
type Family struct {
	Name string
	// PerCPU says that each possible CPU has a ring of its own. If Sharded, the axis
	// shards says how many rings there are. Else all CPUs share one.
	PerCPU, Sharded bool
	// FullErrno is what the output call returns when the ring is full.
	FullErrno string
	// OtherErrnos are what else it returns by design, with the cause. Any other errno is a
	// bug of the harness or of the kernel.
	OtherErrnos []Cause
	// ReportsLoss means that the kernel puts records of its losses into the ring.
	ReportsLoss bool
	// HasPositions says that the positions of producer and consumer can be read: the
	// ledger then accounts for every byte.
	HasPositions bool
	// Stages says that events wait in a buffer of their CPU until there are enough of
	// them for one record.
	Stages bool
	// Overwrites says that the newest events take the place of the oldest. The reader
	// takes what is there when it is told to: a flight recorder.
	Overwrites bool
	// Totals says that the program only counts: nothing is known of a single event.
	Totals bool
	// Policies are who can wake the reader; the first is the default.
	Policies []PolicyKind
	// Readers are what can read; the first is the default.
	Readers []Reader
	// FootprintBytes is the size of an event of n bytes in a ring, and SampleBytes its
	// size when it reaches the reader.
	FootprintBytes, SampleBytes func(n int) int
	// Capacity is the number of events of n bytes that an unread ring holds: of an
	// overwriting one what remains of more.
	Capacity func(ringBytes, n int) int
	// LossBytes is the size of the record of a loss, before the next event.
	LossBytes int
	// MostRingBytes limits the size of a ring; 0: as any other.
	MostRingBytes int
	// OneSize says that all events of a trial have the same size.
	OneSize bool
}

// Cause is why the output call returns an errno.
type Cause struct{ Errno, Text string }

// Errnos are all errnos that the output call returns by design.
func (f *Family) Errnos() []string {
	var all []string
	if f.FullErrno != "" {
		all = append(all, f.FullErrno)
	}
	for _, c := range f.OtherErrnos {
		all = append(all, c.Errno)
	}
	return all
}

// CauseOf is why the output call returns an errno by design, other than that the ring is
// full; empty: it does not.
func (f *Family) CauseOf(errno string) string {
	for _, c := range f.OtherErrnos {
		if c.Errno == errno {
			return c.Text
		}
	}
	return ""
}

// PerfRings is the family of the perf buffer.
//
// bpf_perf_event_output() in https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/bpf_trace.c
var PerfRings = &Family{
	Name: "perf", PerCPU: true, FullErrno: "ENOSPC", ReportsLoss: true,
	OtherErrnos: []Cause{
		{"ENOENT", "the CPU has no ring"},
		{"EOPNOTSUPP", "its slot has the ring of another CPU, or of one that was offline"},
	},
	Policies:       []PolicyKind{Every, WakeupEvents, Watermark, Timer},
	Readers:        []Reader{Cilium, Raw, Poll, Ticker, RawMerge, PollMerge},
	FootprintBytes: perfFootprint,
	// perf_sample_save_raw_data() in
	// https://elixir.bootlin.com/linux/v6.12/source/include/linux/perf_event.h
	SampleBytes: perfSample,
	Capacity:    func(ringBytes, n int) int { return (ringBytes - 1) / perfFootprint(n) },
	LossBytes:   lostRecordBytes,
}

func perfFootprint(n int) int { return perfHeaderBytes + roundUp8(n+perfSizeBytes) }

func perfSample(n int) int { return roundUp8(n+perfSizeBytes) - perfSizeBytes }

// BPFRings is the family of the BPF ring buffer.
var BPFRings = &Family{
	Name: "ringbuf", FullErrno: "EAGAIN", HasPositions: true,
	Policies:       []PolicyKind{Adaptive, Every, Batch, Timer},
	Readers:        []Reader{Cilium, Raw, Poll, Ticker},
	FootprintBytes: ringFootprint,
	SampleBytes:    sameSize,
	Capacity:       ringCapacity,
}

func ringFootprint(n int) int { return roundUp8(n + ringHeaderBytes) }

func sameSize(n int) int { return n }

func ringCapacity(ringBytes, n int) int { return (ringBytes - 1) / ringFootprint(n) }

// ShardedRings is the family of several BPF ring buffers, of which each CPU uses one.
var ShardedRings = with(BPFRings, func(f *Family) {
	f.Name, f.Sharded = "ringbuf-sharded", true
	f.Readers = []Reader{Raw, Poll, Ticker, RawMerge, PollMerge}
})

// BatchedRings is the family of a BPF ring buffer whose records hold many events.
var BatchedRings = with(BPFRings, func(f *Family) {
	f.Name, f.Stages, f.OneSize = "ringbuf-batched", true, true
	// Without the header of a record, which many share.
	f.FootprintBytes = roundUp8
	f.Capacity = batchedCapacity
})

// batchedCapacity is how many events of one CPU fit with the default stage, the last
// record with fewer of them.
func batchedCapacity(ringBytes, n int) int {
	stage := Stage("").For(n, ringBytes)
	each := roundUp8(n)
	of, bytes, _ := stage.Limits()
	if of == 0 {
		of = max(bytes/each, 1)
	}
	record := ringHeaderBytes + of*each
	left := (ringBytes - 1) % record
	return (ringBytes-1)/record*of + max(left-ringHeaderBytes, 0)/each
}

// DynptrRings is the family of a BPF ring buffer in which dynptrs are reserved.
//
// bpf_ringbuf_reserve_dynptr() in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
var DynptrRings = with(BPFRings, func(f *Family) { f.Name, f.FullErrno = "ringbuf-dynptr", "EINVAL" })

// ArrayRings is the family of rings in an array that user space maps: one of each CPU,
// whose only producer is the CPU itself.
var ArrayRings = &Family{
	Name: "array", PerCPU: true, FullErrno: "ENOSPC", HasPositions: true,
	Policies:       []PolicyKind{Timer},
	Readers:        []Reader{Poll, Ticker, PollMerge},
	FootprintBytes: ringFootprint,
	SampleBytes:    sameSize,
	// Positions only grow, so that full and empty differ without a free byte.
	Capacity: func(ringBytes, n int) int { return ringBytes / ringFootprint(n) },
	// KMALLOC_MAX_SIZE limits a value before 6.2:
	// array_map_alloc_check() in https://elixir.bootlin.com/linux/v6.1/source/kernel/bpf/arraymap.c
	MostRingBytes: 2 << 20,
}

// PerfRecorders is the family of perf buffers that are written backwards.
//
// https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
var PerfRecorders = with(PerfRings, func(f *Family) {
	f.Name, f.Overwrites, f.ReportsLoss, f.LossBytes = "perf-overwrite", true, false, 0
	f.FullErrno = ""
	f.Policies, f.Readers = []PolicyKind{Timer}, []Reader{Snapshot}
	f.Capacity = func(ringBytes, n int) int { return ringBytes / perfFootprint(n) }
})

// RingRecorders is the family of BPF ring buffers that overwrite.
//
// __bpf_ringbuf_reserve() in https://elixir.bootlin.com/linux/v6.19/source/kernel/bpf/ringbuf.c
var RingRecorders = with(BPFRings, func(f *Family) {
	f.Name, f.Overwrites, f.HasPositions = "ringbuf-overwrite", true, false
	// What would run over a reservation that is still held.
	f.FullErrno, f.OtherErrnos = "", []Cause{{"EAGAIN", "another CPU held a reservation a ring long"}}
	f.Policies, f.Readers = []PolicyKind{Timer}, []Reader{Snapshot}
})

// Counters is the family of a program that sends nothing.
var Counters = &Family{
	Name: "count", PerCPU: true, Totals: true,
	Policies:       []PolicyKind{Timer},
	Readers:        []Reader{Ticker},
	FootprintBytes: func(int) int { return 0 },
	SampleBytes:    sameSize,
	Capacity:       func(int, int) int { return math.MaxInt },
}

// with is a copy of a family with changes.
func with(f *Family, change func(*Family)) *Family {
	other := *f
	change(&other)
	return &other
}

// Sizes in a ring.
const (
	perfHeaderBytes = 8  // struct perf_event_header
	perfSizeBytes   = 4  // the u32 in front of a raw sample
	lostRecordBytes = 24 // PERF_RECORD_LOST: header, id, count
	ringHeaderBytes = 8  // BPF_RINGBUF_HDR_SZ: length with flags, page offset

	// RecordHeaderBytes is the header of a record of a ring buffer.
	RecordHeaderBytes = ringHeaderBytes
)

func roundUp8(n int) int { return (n + 7) &^ 7 }

// transports are in the order in which they are reported.
var transports = []TransportSpec{
	{
		Name: Perf, Title: "perf buffer", Short: "perf", Family: PerfRings, Since: "4.4",
		Text: "bpf_perf_event_output() into one ring per CPU",
	},
	{
		Name: Ringbuf, Title: "ring buffer", Short: "ring", Family: BPFRings, Since: "5.8", FixedSize: true,
		Text: "bpf_ringbuf_reserve() and bpf_ringbuf_submit() in one shared ring",
	},
	{
		Name: RingbufOutput, Title: "ring buffer by bpf_ringbuf_output", Family: BPFRings, Since: "5.8",
		Text: "bpf_ringbuf_output() into the same ring: the event is assembled elsewhere and copied, as for the perf buffer",
	},
	{
		Name: RingbufSharded, Title: "sharded ring buffers", Family: ShardedRings, Since: "5.8", FixedSize: true,
		Text: "several ring buffers in an array of maps: a CPU uses that of its shard",
	},
	{
		Name: RingbufBatched, Title: "batched ring buffer", Family: BatchedRings, Since: "5.8",
		Text: "events wait in a buffer of their CPU, and one bpf_ringbuf_output() sends many",
	},
	{
		Name: RingbufDynptr, Title: "ring buffer by dynptr", Family: DynptrRings, Since: "5.19",
		Text: "bpf_ringbuf_reserve_dynptr(): a reservation of the length that an event has",
	},
	{
		Name: ArrayPolled, Title: "polled array", Family: ArrayRings, Since: "5.5",
		Text: "stores into an array that user space maps, with a ring of each CPU: no helper, no wake-up, the least that a transport can cost",
	},
	{
		Name: PerfOverwrite, Title: "overwriting perf buffer", Family: PerfRecorders, Since: "4.7",
		Text: "a flight recorder: perf rings written backwards, which keep the newest events",
	},
	{
		Name: RingbufOverwrite, Title: "overwriting ring buffer", Family: RingRecorders, Since: "6.19", FixedSize: true,
		Text: "a flight recorder: a ring buffer with BPF_F_RB_OVERWRITE, which keeps the newest events",
	},
	{
		Name: CountOnly, Title: "counters", Family: Counters, Since: "4.6",
		Text: "no events: a per-CPU hash counts, and is read on a timer",
	},
}

// unknown is the spec of a transport that a newer version wrote into a file: its title is
// its name, and its formulas are unknown.
var unknown = Family{
	Name: "unknown", FootprintBytes: sameSize, SampleBytes: sameSize, Capacity: func(ringBytes, n int) int { return ringBytes / max(n, 1) },
}

// Transports lists all of them, in the order in which they are reported.
func Transports() []Transport {
	return names(transports, func(s TransportSpec) Transport { return s.Name })
}

// Families lists the families of all transports, each once.
func Families() []*Family {
	var all []*Family
	for _, s := range transports {
		if !slices.Contains(all, s.Family) {
			all = append(all, s.Family)
		}
	}
	return all
}

// TransportSpecs lists the specs of all transports.
func TransportSpecs() []TransportSpec { return slices.Clone(transports) }

// Spec returns the spec of the transport.
func (t Transport) Spec() TransportSpec {
	for _, s := range transports {
		if s.Name == t {
			return s
		}
	}
	return TransportSpec{Name: t, Title: string(t), Family: &unknown}
}

// Known reports whether the transport is in the table.
func (t Transport) Known() bool { return t.Spec().Family != &unknown }

// Is reports whether the transport belongs to a family.
func (t Transport) Is(f *Family) bool { return t.Spec().Family == f }

// ParseTransport returns an error for a word that is not a transport.
func ParseTransport(text string) (Transport, error) {
	if t := Transport(text); t.Known() {
		return t, nil
	}
	return "", fmt.Errorf("transport %q: want one of %s", text, Join(Transports()))
}

// Rings is the number of rings of the transport on a machine of cpus CPUs, with these
// shards.
func (t Transport) Rings(cpus int, shards Shards) int {
	switch f := t.Spec().Family; {
	case f.PerCPU:
		return cpus
	case f.Sharded:
		return shards.Rings(cpus)
	}
	return 1
}

// SampleBytes is the length in which an event of n bytes reaches the reader.
func (t Transport) SampleBytes(n int) int { return t.Spec().Family.SampleBytes(n) }

// FootprintBytes is the size of an event of n bytes in a ring.
func (t Transport) FootprintBytes(n int) int { return t.Spec().Family.FootprintBytes(n) }

// Capacity is the number of events of n bytes that an unread ring of ringBytes takes. The
// perf buffer and the ring buffer keep one byte free to tell full from empty.
//
// __bpf_ringbuf_reserve() in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
// and ring_buffer_has_space() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
func (t Transport) Capacity(ringBytes, n int) int { return t.Spec().Family.Capacity(ringBytes, n) }

// PageBytes is the size of a page of the kernels that are compared.
const PageBytes = 4096

// CheckRingBytes rejects sizes that are invalid for a ring with this page size.
func CheckRingBytes(ringBytes, pageBytes int) error {
	if ringBytes < pageBytes || ringBytes&(ringBytes-1) != 0 {
		return fmt.Errorf("ring of %d bytes: want a power of two of at least %d", ringBytes, pageBytes)
	}
	return nil
}

// Join lists words for a sentence.
func Join[T ~string](words []T) string {
	return strings.Join(names(words, func(w T) string { return string(w) }), ", ")
}

func names[S, N any](all []S, name func(S) N) []N {
	list := make([]N, len(all))
	for i, s := range all {
		list[i] = name(s)
	}
	return list
}
