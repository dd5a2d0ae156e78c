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
	"slices"
	"strings"
)

// Transport is how events leave the kernel.
type Transport string

// The transports.
const (
	Perf          Transport = "perf"
	Ringbuf       Transport = "ringbuf"
	RingbufOutput Transport = "ringbuf-output"
)

// TransportSpec is the properties of a transport that do not depend on the kernel. A new
// transport is one more value in [transports], its send() in bpf/twin.bpf.c, and its
// object in bpf/gen.go and bpf/objects.go.
type TransportSpec struct {
	Name   Transport
	Title  string // in prose
	Short  string // in the name of a ratio
	Text   string // what it is, in a line
	Family *Family
	// Since is the first kernel with the transport.
	Since string
}

// Family is the common properties of transports that use the same kind of ring.
type Family struct {
	Name string
	// PerCPU says that each possible CPU has a ring of its own; else all share one.
	PerCPU bool
	// FullErrno is what the output call returns when the ring is full.
	FullErrno string
	// ReportsLoss means that the kernel puts records of its losses into the ring.
	ReportsLoss bool
	// HasPositions says that the positions of producer and consumer can be read: the
	// ledger then accounts for every byte.
	HasPositions bool
	// Policies are who can wake the reader; the first is the default.
	Policies []PolicyKind
	// FootprintBytes is the size of an event of n bytes in a ring, and SampleBytes its
	// size when it reaches the reader.
	FootprintBytes, SampleBytes func(n int) int
	// LossBytes is the size of the record of a loss, before the next event.
	LossBytes int
}

// PerfRings is the family of the perf buffer.
var PerfRings = &Family{
	Name: "perf", PerCPU: true, FullErrno: "ENOSPC", ReportsLoss: true,
	Policies: []PolicyKind{Every, WakeupEvents, Watermark, Timer},
	FootprintBytes: func(n int) int {
		return perfHeaderBytes + roundUp8(n+perfSizeBytes)
	},
	// perf_sample_save_raw_data() in
	// https://elixir.bootlin.com/linux/v6.12/source/include/linux/perf_event.h
	SampleBytes: func(n int) int { return roundUp8(n+perfSizeBytes) - perfSizeBytes },
	LossBytes:   lostRecordBytes,
}

// BPFRings is the family of the BPF ring buffer.
var BPFRings = &Family{
	Name: "ringbuf", FullErrno: "EAGAIN", HasPositions: true,
	Policies:       []PolicyKind{Adaptive, Every, Batch, Timer},
	FootprintBytes: func(n int) int { return roundUp8(n + ringHeaderBytes) },
	SampleBytes:    func(n int) int { return n },
}

// Sizes in a ring.
const (
	perfHeaderBytes = 8  // struct perf_event_header
	perfSizeBytes   = 4  // the u32 in front of a raw sample
	lostRecordBytes = 24 // PERF_RECORD_LOST: header, id, count
	ringHeaderBytes = 8  // BPF_RINGBUF_HDR_SZ: length with flags, page offset
)

func roundUp8(n int) int { return (n + 7) &^ 7 }

// transports are in the order in which they are reported.
var transports = []TransportSpec{
	{
		Name: Perf, Title: "perf buffer", Short: "perf", Family: PerfRings, Since: "4.4",
		Text: "bpf_perf_event_output() into one ring per CPU",
	},
	{
		Name: Ringbuf, Title: "ring buffer", Short: "ring", Family: BPFRings, Since: "5.8",
		Text: "bpf_ringbuf_reserve() and bpf_ringbuf_submit() in one shared ring",
	},
	{
		Name: RingbufOutput, Title: "ring buffer by bpf_ringbuf_output", Family: BPFRings, Since: "5.8",
		Text: "bpf_ringbuf_output() into the same ring: the event is assembled elsewhere and copied, as for the perf buffer",
	},
}

// unknown is the spec of a transport that a newer version wrote into a file: its title is
// its name, and its formulas are unknown.
var unknown = Family{
	Name: "unknown", FootprintBytes: func(n int) int { return n }, SampleBytes: func(n int) int { return n },
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

// Rings is the number of rings of the transport on a machine of cpus CPUs.
func (t Transport) Rings(cpus int) int {
	if t.Spec().Family.PerCPU {
		return cpus
	}
	return 1
}

// SampleBytes is the length in which an event of n bytes reaches the reader.
func (t Transport) SampleBytes(n int) int { return t.Spec().Family.SampleBytes(n) }

// FootprintBytes is the size of an event of n bytes in a ring.
func (t Transport) FootprintBytes(n int) int { return t.Spec().Family.FootprintBytes(n) }

// Capacity is the number of events of n bytes that an unread ring of ringBytes
// takes: every transport keeps one byte free to tell full from empty.
//
// __bpf_ringbuf_reserve() in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
// and ring_buffer_has_space() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
func (t Transport) Capacity(ringBytes, n int) int { return (ringBytes - 1) / t.FootprintBytes(n) }

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
