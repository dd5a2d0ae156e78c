// SPDX-License-Identifier: MIT

package facts

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Flags of bpf_ringbuf_query, from include/uapi/linux/bpf.h.
const (
	availData = iota
	ringSize
	consumerPosition
	producerPosition
	overwritePosition
)

func order() []Statement {
	return []Statement{
		{
			ID:     "reservation-order",
			Text:   "Records of a ring buffer come in the order in which they were reserved, not in that in which they were submitted.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				t.check("two held, second submitted first", "reserved", t.reserve(t.reserveTwoProgram(ring.Map, 8, 8)))
				t.check("read", []uint64{1, 2}, numbers(ring.read()))
			},
		},
		{
			ID:     "held-blocks-reader",
			Text:   "While a record is reserved and not submitted, the reader gets nothing that was reserved after it, from any CPU.",
			Source: elixir("6.12", "Documentation/bpf/ringbuf.rst", "Design and Implementation"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				output := t.output(ring.Map)
				t.hold(ring, func() {
					for n := range uint64(3) {
						t.ok(output(8, 10+n))
					}
					t.check("bytes in the ring", 4*ringFootprint(8), ring.produced())
					t.check("its head is busy", true, ring.at(0).busy)
					t.check("records to read", 0, len(ring.read()))
				})
				t.check("after it is submitted", []uint64{1, 10, 11, 12}, numbers(ring.read()))
			},
		},
		{
			ID:     "held-fails-others",
			Text:   "A held reservation of a few bytes fills the ring for everybody: what was read behind it is not free.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				output := t.output(ring.Map)
				const size = 1352 // of which three fit, with 15 bytes left
				t.hold(ring, func() {
					n, refusal := t.fill(output, size)
					t.check("records of 1352 bytes", 2, n)
					t.check("then", unix.EAGAIN, refusal)
					ring.read()
					t.check("after a look of the reader", unix.EAGAIN, output(size, 0))
				})
				ring.read()
				n, _ := t.fill(output, size)
				t.check("after it is submitted and all is read", 3, n)
			},
		},
		{
			ID:     "pending-position",
			Text:   "A reservation never overlaps one that is held, even if the reader's position was moved beyond it (CVE-2024-41009, fixed in 6.10 and in the stable lines).",
			Source: commit("cfa1a2329a69", "bpf: Fix overrunning reservations in ringbuf"),
			run: func(t *T) {
				ring := t.ring(0x4000, 0)
				program := t.reserveTwoProgram(ring.Map, 0x3000, 0x3000)
				ring.consume(0x3000)
				want := "second NULL"
				if !t.kernel.fixedIn(kernel(6, 10, 0), kernel(5, 10, 222), kernel(5, 15, 163), kernel(6, 1, 98), kernel(6, 6, 39), kernel(6, 9, 9)) {
					want = "reserved"
				}
				t.check("3/4 of the ring held, as much again", want, t.reserve(program))
			},
		},
		{
			ID:     "ring-order-across-cpus",
			Text:   "One ring buffer keeps the order across CPUs.",
			Source: elixir("6.12", "Documentation/bpf/ringbuf.rst", "Motivation"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				output := t.output(ring.Map)
				for n := range 6 {
					t.onCPU(n % 2)
					t.ok(output(8, uint64(n)))
				}
				t.check("from two CPUs in turn", []uint64{0, 1, 2, 3, 4, 5}, numbers(ring.read()))
			},
		},
		{
			ID:     "perf-order-per-cpu",
			Text:   "A perf buffer keeps the order of each CPU alone: read ring by ring, events of several come in another order.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				rings := []*perfRing{
					t.perfRing(array, t.onCPU(0), page, bpfOutput()),
					t.perfRing(array, t.onCPU(1), page, bpfOutput()),
				}
				output := t.output(array)
				for n := range 6 {
					t.onCPU(n % 2)
					t.ok(output(8, uint64(n)))
				}
				t.check("from two CPUs in turn, first ring", []uint64{0, 2, 4}, samples(rings[0].read()))
				t.check("second", []uint64{1, 3, 5}, samples(rings[1].read()))
			},
		},
		{
			ID:     "perf-hot-cpu",
			Text:   "A hot CPU fills its own perf ring while those of others are empty.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				second := t.perfRing(array, t.onCPU(1), page, bpfOutput())
				t.perfRing(array, t.onCPU(0), page, bpfOutput())
				output := t.output(array)
				n, refusal := t.fill(output, 100)
				t.check("records of one CPU", (page-1)/perfFootprint(100), n)
				t.check("then", unix.ENOSPC, refusal)
				t.check("bytes in the other's ring", 0, second.head())
				t.onCPU(1)
				t.check("output there", nil, output(100, 0))
			},
		},
		{
			ID:     "ring-hot-cpu",
			Text:   "A hot CPU may use the whole of a ring buffer, and then nobody else can.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(2*page, 0)
				output := t.output(ring.Map)
				n, _ := t.fill(output, 100)
				t.check("records of one CPU", (2*page-1)/ringFootprint(100), n)
				t.onCPU(1)
				t.check("output of the other", unix.EAGAIN, output(100, 0))
			},
		},
		{
			ID:     "query",
			Text:   "bpf_ringbuf_query tells the bytes that wait, with headers and what was discarded, the size, and both positions; 0 for what it does not know.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_query()"),
			run: func(t *T) {
				ring := t.ring(2*page, 0)
				output, query := t.output(ring.Map), t.queryProgram(ring.Map)
				t.ok(output(9, 0))
				ring.read()
				t.ok(output(100, 0))
				t.check("reserve", "reserved", t.reserve(t.reserveProgram(ring.Map, 8), discardIt))
				t.check("AVAIL_DATA", ringFootprint(100)+ringFootprint(8), t.run(query, availData))
				t.check("RING_SIZE", 2*page, t.run(query, ringSize))
				t.check("CONS_POS", ringFootprint(9), t.run(query, consumerPosition))
				t.check("PROD_POS", ringFootprint(9)+ringFootprint(100)+ringFootprint(8), t.run(query, producerPosition))
				t.check("99", 0, t.run(query, 99))
			},
		},
		{
			ID:     "query-counts-busy",
			Text:   "AVAIL_DATA counts a record that is still held.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_avail_data_sz()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				query := t.queryProgram(ring.Map)
				t.hold(ring, func() {
					t.check("AVAIL_DATA", ringFootprint(8), t.run(query, availData))
				})
			},
		},
	}
}

// hold makes a program hold a reservation of 8 bytes on the second CPU, while meanwhile
// runs on this one. The record's number is 1.
func (t *T) hold(ring *ring, meanwhile func()) {
	flags := t.scratch(16) // the program's state, and the release signal
	program := t.holdProgram(ring.Map, flags)
	second := t.cpu(1)
	ended := make(chan error, 1)
	go func() {
		ended <- onThread(second, func() error {
			answer, err := runProgram(program)
			if err == nil && answer != released {
				err = errHold
			}
			return err
		})
	}()
	set := func(value uint64) {
		t.must("set flag", flags.Update(uint32(0), [2]uint64{t.read(flags), value}, ebpf.UpdateAny))
	}
	release := func() error { set(1); return <-ended }
	done := false
	t.after(func() error { // if the experiment ends while it is held
		if done {
			return nil
		}
		return release()
	})
	if !t.eventually(func() bool { return t.read(flags) == 1 }) {
		t.end(errHold)
	}
	meanwhile()
	done = true
	t.must("hold a reservation", release())
}
