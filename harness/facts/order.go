package facts

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What bpf_ringbuf_query is asked for, from include/uapi/linux/bpf.h.
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
			run: func(l *lab) {
				ring := l.ring(page, 0)
				l.check("two held, second submitted first", "reserved", l.reserve(l.reserveTwoProgram(ring.Map, 8, 8)))
				l.check("read", []uint64{1, 2}, numbers(ring.read()))
			},
		},
		{
			ID:     "held-blocks-reader",
			Text:   "While a record is reserved and not submitted, the reader gets nothing that was reserved after it, from any CPU.",
			Source: elixir("6.12", "Documentation/bpf/ringbuf.rst", "Design and Implementation"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				output := l.output(ring.Map)
				l.hold(ring, func() {
					for n := range uint64(3) {
						l.ok(output(8, 10+n))
					}
					l.check("bytes in the ring", 4*ringFootprint(8), ring.produced())
					l.check("its head is busy", true, ring.at(0).busy)
					l.check("records to read", 0, len(ring.read()))
				})
				l.check("after it is submitted", []uint64{1, 10, 11, 12}, numbers(ring.read()))
			},
		},
		{
			ID:     "held-fails-others",
			Text:   "A held reservation of a few bytes fills the ring for everybody: what was read behind it is not free.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				output := l.output(ring.Map)
				const size = 1352 // of which three fit, with 15 bytes left
				l.hold(ring, func() {
					n, refusal := l.fill(output, size)
					l.check("records of 1352 bytes", 2, n)
					l.check("then", unix.EAGAIN, refusal)
					ring.read()
					l.check("after a look of the reader", unix.EAGAIN, output(size, 0))
				})
				ring.read()
				n, _ := l.fill(output, size)
				l.check("after it is submitted and all is read", 3, n)
			},
		},
		{
			ID:     "pending-position",
			Text:   "A reservation never overlaps one that is held, even if the reader's position was moved beyond it (CVE-2024-41009, fixed in 6.10 and in the stable lines).",
			Source: commit("cfa1a2329a69", "bpf: Fix overrunning reservations in ringbuf"),
			run: func(l *lab) {
				ring := l.ring(0x4000, 0)
				program := l.reserveTwoProgram(ring.Map, 0x3000, 0x3000)
				ring.consume(0x3000)
				want := "second NULL"
				if !l.kernel.fixedIn(kernel(6, 10, 0), kernel(5, 10, 222), kernel(5, 15, 163), kernel(6, 1, 98), kernel(6, 6, 39), kernel(6, 9, 9)) {
					want = "reserved"
				}
				l.check("3/4 of the ring held, as much again", want, l.reserve(program))
			},
		},
		{
			ID:     "ring-order-across-cpus",
			Text:   "One ring buffer keeps the order across CPUs.",
			Source: elixir("6.12", "Documentation/bpf/ringbuf.rst", "Motivation"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				output := l.output(ring.Map)
				for n := range 6 {
					l.onCPU(n % 2)
					l.ok(output(8, uint64(n)))
				}
				l.check("from two CPUs in turn", []uint64{0, 1, 2, 3, 4, 5}, numbers(ring.read()))
			},
		},
		{
			ID:     "perf-order-per-cpu",
			Text:   "A perf buffer keeps the order of each CPU alone: read ring by ring, events of several come in another order.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				array := l.perfArray()
				rings := []*perfRing{
					l.perfRing(array, l.onCPU(0), page, bpfOutput()),
					l.perfRing(array, l.onCPU(1), page, bpfOutput()),
				}
				output := l.output(array)
				for n := range 6 {
					l.onCPU(n % 2)
					l.ok(output(8, uint64(n)))
				}
				l.check("from two CPUs in turn, first ring", []uint64{0, 2, 4}, samples(rings[0].read()))
				l.check("second", []uint64{1, 3, 5}, samples(rings[1].read()))
			},
		},
		{
			ID:     "perf-hot-cpu",
			Text:   "A hot CPU fills its own perf ring while those of others are empty.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				array := l.perfArray()
				second := l.perfRing(array, l.onCPU(1), page, bpfOutput())
				l.perfRing(array, l.onCPU(0), page, bpfOutput())
				output := l.output(array)
				n, refusal := l.fill(output, 100)
				l.check("records of one CPU", (page-1)/perfFootprint(100), n)
				l.check("then", unix.ENOSPC, refusal)
				l.check("bytes in the other's ring", 0, second.head())
				l.onCPU(1)
				l.check("output there", nil, output(100, 0))
			},
		},
		{
			ID:     "ring-hot-cpu",
			Text:   "A hot CPU may use the whole of a ring buffer, and then nobody else can.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(l *lab) {
				ring := l.ring(2*page, 0)
				output := l.output(ring.Map)
				n, _ := l.fill(output, 100)
				l.check("records of one CPU", (2*page-1)/ringFootprint(100), n)
				l.onCPU(1)
				l.check("output of the other", unix.EAGAIN, output(100, 0))
			},
		},
		{
			ID:     "query",
			Text:   "bpf_ringbuf_query tells the bytes that wait, with headers and what was discarded, the size, and both positions; 0 for what it does not know.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_query()"),
			run: func(l *lab) {
				ring := l.ring(2*page, 0)
				output, query := l.output(ring.Map), l.queryProgram(ring.Map)
				l.ok(output(9, 0))
				ring.read()
				l.ok(output(100, 0))
				l.check("reserve", "reserved", l.reserve(l.reserveProgram(ring.Map, 8), discardIt))
				l.check("AVAIL_DATA", ringFootprint(100)+ringFootprint(8), l.run(query, availData))
				l.check("RING_SIZE", 2*page, l.run(query, ringSize))
				l.check("CONS_POS", ringFootprint(9), l.run(query, consumerPosition))
				l.check("PROD_POS", ringFootprint(9)+ringFootprint(100)+ringFootprint(8), l.run(query, producerPosition))
				l.check("99", 0, l.run(query, 99))
			},
		},
		{
			ID:     "query-counts-busy",
			Text:   "AVAIL_DATA counts a record that is still held.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_avail_data_sz()"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				query := l.queryProgram(ring.Map)
				l.hold(ring, func() {
					l.check("AVAIL_DATA", ringFootprint(8), l.run(query, availData))
				})
			},
		},
	}
}

// hold has a program hold a reservation of 8 bytes on the second CPU, while this
// one does something. The record's number is 1.
func (l *lab) hold(ring *ring, meanwhile func()) {
	flags := l.scratch(16) // what the program says, and what it is told
	program := l.holdProgram(ring.Map, flags)
	second := l.cpu(1)
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
		l.must("set flag", flags.Update(uint32(0), [2]uint64{l.read(flags), value}, ebpf.UpdateAny))
	}
	release := func() error { set(1); return <-ended }
	done := false
	l.after(func() error { // if the experiment ends while it is held
		if done {
			return nil
		}
		return release()
	})
	if !l.eventually(func() bool { return l.read(flags) == 1 }) {
		l.end(errHold)
	}
	meanwhile()
	done = true
	l.must("hold a reservation", release())
}
