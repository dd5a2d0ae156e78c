// SPDX-License-Identifier: MIT

package facts

import "golang.org/x/sys/unix"

func errnos() []Statement {
	return []Statement{
		{
			ID:     "perf-empty-slot",
			Text:   "Output to a CPU whose slot of the perf buffer is empty fails with ENOENT.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				t.check("output", unix.ENOENT, t.output(t.perfArray())(8, 0))
			},
		},
		{
			ID:     "perf-index",
			Text:   "Output to an index beyond the perf buffer's slots fails with E2BIG.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				t.check("index of max_entries", unix.E2BIG, t.outputWith(array, uint64(array.MaxEntries()))(8, 0))
			},
		},
		{
			ID:     "perf-other-cpu",
			Text:   "Output to the event of another CPU fails with EOPNOTSUPP.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				other := t.cpu(1)
				t.perfRing(array, other, page, bpfOutput())
				t.onCPU(0)
				t.check("from this CPU", unix.EOPNOTSUPP, t.outputWith(array, uint64(other))(8, 0))
				t.onCPU(1)
				t.check("from its own", nil, t.outputWith(array, uint64(other))(8, 0))
			},
		},
		{
			ID:     "perf-other-event",
			Text:   "Output to an event that is not PERF_COUNT_SW_BPF_OUTPUT fails with EINVAL.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Config = unix.PERF_COUNT_SW_CPU_CLOCK
				t.perfRing(array, t.onCPU(0), page, attr)
				t.check("to PERF_COUNT_SW_CPU_CLOCK", unix.EINVAL, t.output(array)(8, 0))
			},
		},
		{
			ID:     "perf-unmapped",
			Text:   "Output to an event whose ring nobody has mapped fails with ENOSPC.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				cpu := t.onCPU(0)
				fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
				t.must("open perf event", err)
				t.after(func() error { return unix.Close(fd) })
				t.must("put perf event into its slot", array.Put(uint32(cpu), uint32(fd)))
				t.check("output", unix.ENOSPC, t.output(array)(8, 0))
			},
		},
		{
			ID:     "ring-has-no-elements",
			Text:   "A ring buffer has no elements: looking up and updating fail with ENOTSUPP, as they do in batches.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_lookup_elem()"),
			run:    noElements,
		},
	}
}

func noElements(t *T) {
	ring := t.ring(page, 0)
	_, err := bpfCall(mapLookupElem, &elemAttr{MapFD: uint32(ring.FD())})
	t.check("look up", enotsupp, err)
	_, err = bpfCall(mapUpdateElem, &elemAttr{MapFD: uint32(ring.FD())})
	t.check("update", enotsupp, err)
	_, err = bpfCall(mapLookupBatch, &batchAttr{MapFD: uint32(ring.FD()), Count: 1})
	t.check("look up a batch", enotsupp, err)
}
