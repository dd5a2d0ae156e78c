// SPDX-License-Identifier: MIT

// Package agents is the table of what published eBPF agents run by default: transport,
// size of the rings as a function of the CPUs, and how the reader is woken.
//
// It makes no system call. The table is not changed after the start of the program.
package agents

import (
	"slices"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Agent is one agent with its defaults.
type Agent struct {
	Name string
	// ID names its arrangement in a plan.
	ID        string
	Transport vocab.Transport
	Policy    vocab.Policy
	// Shards and Reader are those of the arrangement; empty: the transport's default.
	// FlushMS is after how long its reader looks unasked; 0: never.
	Shards  vocab.Shards
	Reader  vocab.Reader
	FlushMS int
	// RingBytes is the size of one ring on a machine of cpus CPUs; nil: not published.
	RingBytes func(cpus int) int
	// Rings is how many rings of that size there are; nil: not published.
	Rings func(cpus int) int
	// Text describes policy and reader in words.
	Text string
	// Source is where the values come from.
	Source string
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// table is read from the sources of the agents, as of September 2026. Sizes that depend
// on more than the CPUs have a comment.
var table = []Agent{
	{
		Name: "Falco", ID: "falco", Transport: vocab.RingbufSharded, Policy: vocab.Policy(vocab.Timer),
		Shards: "cpu/2", Reader: vocab.PollMerge,
		RingBytes: fixed(8 * mib), Rings: func(cpus int) int { return (cpus + 1) / 2 },
		Text:   "a ring for every 2 CPUs; nobody is woken; the reader sleeps 500 us, doubling to 30 ms while the rings are empty, and takes the oldest event of all rings",
		Source: "https://github.com/falcosecurity/libs",
	},
	{
		Name: "Tetragon", ID: "tetragon", Transport: vocab.RingbufOutput, Policy: vocab.Policy(vocab.Adaptive),
		RingBytes: func(cpus int) int { return powerOfTwo(64 * kib * cpus) }, Rings: fixed(1),
		Text:   "64 KiB for each possible CPU; the kernel wakes the reader, which fills a queue; the perf buffer before 5.11",
		Source: "https://github.com/cilium/tetragon",
	},
	{
		// Each event goes to one of three arrays, so the ring of an array decides.
		Name: "Tracee", ID: "tracee", Transport: vocab.Perf, Policy: vocab.Policy(vocab.Every),
		RingBytes: fixed(4 * mib), Rings: func(cpus int) int { return 3 * cpus },
		Text:   "1024 pages for each CPU in each of three arrays; every event wakes the reader",
		Source: "https://aquasecurity.github.io/tracee/dev/docs/flags/buffers.1",
	},
	{
		Name: "Inspektor Gadget", ID: "inspektor-gadget", Transport: vocab.Ringbuf, Policy: vocab.Policy(vocab.Adaptive),
		RingBytes: fixed(256 * kib), Rings: fixed(1),
		Text:   "a ring for each gadget; the kernel wakes the reader; the perf buffer with 64 pages where there is no ring buffer",
		Source: "https://github.com/inspektor-gadget/inspektor-gadget",
	},
	{
		// The least of its sizes, which rise with the free memory to 16 MiB.
		Name: "bpftrace", ID: "bpftrace", Transport: vocab.RingbufOutput, Policy: vocab.Policy(vocab.Adaptive),
		RingBytes: fixed(256 * kib), Rings: fixed(1),
		Text:   "from 0.24 on; 256 KiB at least, and up to 16 MiB with the free memory; the kernel wakes the reader",
		Source: "https://github.com/bpftrace/bpftrace",
	},
	{
		// Samples a second of each CPU (20 by default) x CPUs x size of a trace: that of
		// its struct Trace, of which a shorter stack uses a part.
		Name: "OpenTelemetry profiler", ID: "otel-profiler", Transport: vocab.RingbufOutput, Policy: vocab.Policy(vocab.Timer),
		Reader: vocab.Ticker, FlushMS: 250,
		RingBytes: func(cpus int) int { return PerSecond(20, cpus, 25304) }, Rings: fixed(1),
		Text:   "the traces of a second; nobody is woken; the reader looks every 250 ms",
		Source: "https://github.com/open-telemetry/opentelemetry-ebpf-profiler/pull/1339",
	},
	{
		Name: "Elastic quark", ID: "quark", Transport: vocab.RingbufOutput, Policy: vocab.Policy(vocab.Adaptive),
		RingBytes: func(cpus int) int { return powerOfTwo(min(max(512*kib*cpus, 4*mib), 64*mib)) }, Rings: fixed(1),
		Text:   "512 KiB for each CPU, from 4 to 64 MiB; the kernel wakes the reader, which reads many at once",
		Source: "https://github.com/elastic/quark",
	},
	{
		// A ring is a power of two, so the split rounds down. The threshold of a wake-up is
		// in bytes, and not published: 64 events stand for it.
		Name: "systing", ID: "systing", Transport: vocab.RingbufSharded, Policy: vocab.Policy(vocab.Batch) + "=64",
		Shards: "cpu", FlushMS: 100,
		RingBytes: func(cpus int) int { return powerOfTwo(256*mib/shards(cpus)/2 + 1) }, Rings: shards,
		Text:   "256 MiB for each family of events, split over a ring for each CPU, 64 at most; the program wakes a thread for each ring once enough bytes wait",
		Source: "https://github.com/josefbacik/systing",
	},
	{
		Name: "eAudit", ID: "eaudit", Transport: vocab.RingbufBatched, Policy: vocab.Policy(vocab.Batch) + "=64",
		FlushMS: 100,
		Text:    "a buffer for each CPU, and one output for a batch of events; the reader is woken by the weight of what waits, or by chance",
		Source:  "eAudit, IEEE Symposium on Security and Privacy 2024",
	},
}

// All lists the agents.
func All() []Agent { return slices.Clone(table) }

// PerSecond is the ring that holds what all CPUs send in a second, perCPU events each of
// recordBytes: the next power of two.
func PerSecond(perCPU, cpus, recordBytes int) int { return powerOfTwo(perCPU * cpus * recordBytes) }

// Named returns the agent whose arrangement a plan calls so.
func Named(id string) (Agent, bool) {
	i := slices.IndexFunc(table, func(a Agent) bool { return a.ID == id })
	if i < 0 {
		return Agent{}, false
	}
	return table[i], true
}

// IDs are the names of all arrangements.
func IDs() []string {
	var all []string
	for _, a := range table {
		all = append(all, a.ID)
	}
	return all
}

// Capacity is how many events of n bytes one ring takes while nobody reads; ok is false
// where no size is published.
func (a Agent) Capacity(cpus, n int) (events int, ok bool) {
	if a.RingBytes == nil {
		return 0, false
	}
	return a.Transport.Capacity(a.RingBytes(cpus), n), true
}

// TotalBytes is the size of all rings; 0: not published.
func (a Agent) TotalBytes(cpus int) int {
	if a.RingBytes == nil || a.Rings == nil {
		return 0
	}
	return a.RingBytes(cpus) * a.Rings(cpus)
}

func fixed(n int) func(int) int { return func(int) int { return n } }

func shards(cpus int) int { return min(cpus, 64) }

// powerOfTwo is the smallest power of two of at least n, and a page.
func powerOfTwo(n int) int {
	size := vocab.PageBytes
	for size < n {
		size *= 2
	}
	return size
}
