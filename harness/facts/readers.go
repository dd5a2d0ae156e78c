// SPDX-License-Identifier: MIT

package facts

import "golang.org/x/sys/unix"

// readers are statements about a ring that several read.
func readers() []Statement {
	return []Statement{
		{
			ID:     "ring-readers-share",
			Text:   "The readers of a ring buffer share one position: what one consumed no other gets, a record wakes them all, and one that stores an older position gives everybody the same records again.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_mmap_kern()"),
			run: func(t *T) {
				first := t.ring(page, 0)
				second := t.readAlso(first)
				output := t.output(first.Map)
				first.wait()
				second.wait()
				for n := range uint64(3) {
					t.ok(output(8, n))
				}
				t.check("both woken", []bool{true, true}, []bool{first.woken(), second.woken()})
				old := second.consumed() // a reader takes its position before it reads
				t.check("the first reads", []uint64{0, 1, 2}, numbers(first.read()))
				t.check("the second reads", 0, len(second.read()))
				second.consume(old + uint64(ringFootprint(8))) // of the record that it has read too
				t.check("after it stored an older position, the first reads", []uint64{1, 2}, numbers(first.read()))
			},
		},
		{
			ID:     "reader-resumes-at-busy",
			Text:   "A reader that begins where another stopped, at a record that is held, gets that record and all after it when it is submitted.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				first := t.ring(page, 0)
				output := t.output(first.Map)
				t.ok(output(8, 10))
				var second *ring
				t.hold(first, func() {
					t.ok(output(8, 11))
					t.check("the first reads up to the held record", []uint64{10}, numbers(first.read()))
					second = t.readAlso(first)
					second.wait()
					t.check("the second reads", 0, len(second.read()))
				})
				t.check("woken when it is submitted", true, second.woken())
				t.check("the second reads then", []uint64{1, 11}, numbers(second.read()))
			},
		},
		{
			ID:     "perf-readers-share",
			Text:   "The readers of a perf ring share one position too: data_tail, in the page that both map.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				first := t.perfRing(array, t.onCPU(0), page, bpfOutput())
				mem := t.mmap(first.fd(), 0, 2*page, unix.PROT_READ|unix.PROT_WRITE)
				second := &perfRing{t: t, file: first.file, cpu: first.cpu, size: page, meta: mem[:page], data: mem[page:]}
				output := t.output(array)
				t.ok(output(8, 1))
				t.check("the first reads", []uint64{1}, samples(first.read()))
				t.check("the second reads", 0, len(second.read()))
				t.ok(output(8, 2))
				t.check("the second reads then", []uint64{2}, samples(second.read()))
				t.check("and the first", 0, len(first.read()))
			},
		},
	}
}

// readAlso opens and maps a ring buffer once more, as another reader does.
func (t *T) readAlso(of *ring) *ring {
	m, err := of.Clone()
	t.must("duplicate descriptor", err)
	t.after(m.Close)
	return t.mapRing(m, of.size)
}
