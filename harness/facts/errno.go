package facts

import "golang.org/x/sys/unix"

func errnos() []Statement {
	return []Statement{
		{
			ID:     "perf-empty-slot",
			Text:   "Output to a CPU whose slot of the perf buffer is empty fails with ENOENT.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				l.check("output", unix.ENOENT, l.output(l.perfArray())(8, 0))
			},
		},
		{
			ID:     "perf-index",
			Text:   "Output to an index beyond the perf buffer's slots fails with E2BIG.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				array := l.perfArray()
				l.check("index of max_entries", unix.E2BIG, l.outputWith(array, uint64(array.MaxEntries()))(8, 0))
			},
		},
		{
			ID:     "perf-other-cpu",
			Text:   "Output to the event of another CPU fails with EOPNOTSUPP.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				array := l.perfArray()
				other := l.cpu(1)
				l.perfRing(array, other, page, bpfOutput())
				l.onCPU(0)
				l.check("from this CPU", unix.EOPNOTSUPP, l.outputWith(array, uint64(other))(8, 0))
				l.onCPU(1)
				l.check("from its own", nil, l.outputWith(array, uint64(other))(8, 0))
			},
		},
		{
			ID:     "perf-other-event",
			Text:   "Output to an event that is not PERF_COUNT_SW_BPF_OUTPUT fails with EINVAL.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(l *lab) {
				array := l.perfArray()
				attr := bpfOutput()
				attr.Config = unix.PERF_COUNT_SW_CPU_CLOCK
				l.perfRing(array, l.onCPU(0), page, attr)
				l.check("to PERF_COUNT_SW_CPU_CLOCK", unix.EINVAL, l.output(array)(8, 0))
			},
		},
		{
			ID:     "perf-unmapped",
			Text:   "Output to an event whose ring nobody has mapped fails with ENOSPC.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(l *lab) {
				array := l.perfArray()
				attr := bpfOutput()
				cpu := l.onCPU(0)
				fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
				l.must("open perf event", err)
				l.after(func() error { return unix.Close(fd) })
				l.must("put perf event into its slot", array.Put(uint32(cpu), uint32(fd)))
				l.check("output", unix.ENOSPC, l.output(array)(8, 0))
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

func noElements(l *lab) {
	ring := l.ring(page, 0)
	_, err := bpfCall(mapLookupElem, &elemAttr{MapFD: uint32(ring.FD())})
	l.check("look up", enotsupp, err)
	_, err = bpfCall(mapUpdateElem, &elemAttr{MapFD: uint32(ring.FD())})
	l.check("update", enotsupp, err)
	_, err = bpfCall(mapLookupBatch, &batchAttr{MapFD: uint32(ring.FD()), Count: 1})
	l.check("look up a batch", enotsupp, err)
}
