// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func loss() []Statement {
	return []Statement{
		{
			ID:     "lost-is-late",
			Text:   "A PERF_RECORD_LOST of 24 bytes is written in front of the next record that fits, and only then: if nothing more is sent, the reader is never told.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(array, t.onCPU(0), page, bpfOutput())
				output := t.output(array)
				n, refused := t.overflow(output, 100, 5)
				records := ring.read()
				t.check("refused", []unix.Errno{unix.ENOSPC}, refused)
				t.check("records read", n, len(records))
				t.check("lost, as reported", 0, lost(records))
				t.check("after one more output", nil, output(100, 99))
				records = ring.read()
				t.check("kinds of records", []uint32{recordLost, recordSample}, kinds(records))
				t.check("bytes", lostRecordBytes, records[0].bytes)
				t.check("lost", 5, lost(records))
			},
		},
		{
			ID:     "format-lost",
			Text:   "PERF_FORMAT_LOST, read from the event, tells the lost records exactly and at any time.",
			Source: commit("119a784c8127", "perf/core: Add a new read format to get a number of lost samples"),
			Since:  kernel(6, 0, 0),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Read_format = formatLost
				ring, err := t.tryPerfRing(array, t.onCPU(0), page, attr)
				if errors.Is(err, unix.EINVAL) {
					t.absent(err)
				}
				t.must("open perf ring", err)
				output := t.output(array)
				t.check("before", 0, ring.counted())
				t.overflow(output, 100, 7)
				t.check("after 7", 7, ring.counted())
				ring.read()
				t.ok(output(100, 0))
				t.overflow(output, 100, 2)
				t.check("after 2 more, the first reported", 9, ring.counted())
			},
		},
		{
			ID:     "only-enospc-is-reported",
			Text:   "Only ENOSPC ever reaches PERF_RECORD_LOST: what was refused otherwise is nowhere counted.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				cpu := t.onCPU(0)
				ring := t.perfRing(array, cpu, page, bpfOutput())
				output := t.output(array)
				t.ok(output(8, 1))
				refused := []unix.Errno{t.outputWith(array, uint64(array.MaxEntries()))(8, 0)}
				t.must("empty the slot", array.Delete(uint32(cpu)))
				refused = append(refused, output(8, 0))
				t.must("fill the slot", array.Put(uint32(cpu), uint32(ring.fd())))
				t.check("refused", []unix.Errno{unix.E2BIG, unix.ENOENT}, refused)
				t.ok(output(8, 2))
				records := ring.read()
				t.check("lost, as reported", 0, lost(records))
				t.check("samples", []uint64{1, 2}, samples(records))
			},
		},
		{
			ID:     "paused-counts-as-lost",
			Text:   "A perf ring that is paused refuses with ENOSPC, and reports that as lost.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(array, t.onCPU(0), page, bpfOutput())
				output := t.output(array)
				t.must("pause", unix.IoctlSetInt(ring.fd(), unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1))
				t.check("paused", unix.ENOSPC, output(8, 0))
				t.check("again", unix.ENOSPC, output(8, 0))
				t.must("resume", unix.IoctlSetInt(ring.fd(), unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 0))
				t.check("resumed", nil, output(8, 1))
				t.check("lost, as reported", 2, lost(ring.read()))
			},
		},
		{
			ID:     "wedge",
			Text:   "After one loss a perf ring refuses forever, though empty, if a record and the PERF_RECORD_LOST in front of it do not fit: payloads of 4053 to 4076 bytes in a page.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run:    func(t *T) { t.checkWedge(page, 4040) },
		},
		{
			ID:     "wedge-two-pages",
			Text:   "A perf ring of two pages refuses forever after a loss at payloads of 8149 to 8172 bytes.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run:    func(t *T) { t.checkWedge(2*page, 8136) },
		},
		{
			ID:     "ring-loss-is-silent",
			Text:   "Nothing in a ring buffer tells of what was refused: neither a record nor a position.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				output := t.output(ring.Map)
				n, _ := t.overflow(output, 100, 5)
				t.check("bytes produced after 5 more", n*ringFootprint(100), ring.produced())
				t.check("records", n, len(ring.read()))
				t.check("one more output", nil, output(100, 9))
				t.check("its number", []uint64{9}, numbers(ring.read()))
			},
		},
		{
			ID:     "perf-overwrites-read-only",
			Text:   "A perf ring that is mapped read-only refuses nothing: it overwrites the oldest.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "ring_buffer_init()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Bits |= unix.PerfBitWriteBackward // the newest is where the head points to
				cpu := t.onCPU(0)
				fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
				t.must("open perf event", err)
				t.after(func() error { return unix.Close(fd) })
				mem := t.mmap(fd, 0, 2*page, unix.PROT_READ)
				t.must("put perf event into its slot", array.Put(uint32(cpu), uint32(fd)))
				output := t.output(array)
				refused := 0
				for n := range uint64(100) {
					if output(100, n) != 0 {
						refused++
					}
				}
				t.check("refused of 100, where 36 fit", 0, refused)
				ring := &perfRing{t: t, size: page, meta: mem[:page], data: mem[page:]}
				newest := ring.slice(ring.head(), perfHeaderBytes+perfSizeBytes+8)
				t.check("newest", 99, binary.NativeEndian.Uint64(newest[perfHeaderBytes+perfSizeBytes:]))
			},
		},
	}
}

// overflow fills a ring, and then tries so many more outputs. It returns the number of
// outputs that fitted, and the distinct errnos of the others.
func (t *T) overflow(output output, size, more int) (fitted int, refused []unix.Errno) {
	n, first := t.fill(output, size)
	refused = append(refused, first)
	for range more - 1 {
		if e := output(size, 0); e != refused[len(refused)-1] {
			refused = append(refused, e)
		}
	}
	return n, refused
}

func kinds(records []perfRecord) []uint32 {
	var all []uint32
	for _, rec := range records {
		all = append(all, rec.kind)
	}
	return all
}

// counted is the count of PERF_FORMAT_LOST: read(2) returns the event's value, then this
// count.
func (r *perfRing) counted() uint64 {
	value := make([]byte, 16)
	_, err := r.file.Read(value)
	r.t.must("read perf event", err)
	return binary.NativeEndian.Uint64(value[8:])
}

// checkWedge tries every payload size from one to the largest that fits.
func (t *T) checkWedge(size, from int) {
	var fit, want, seen []int
	for payload := from; perfFootprint(payload) <= size-1; payload++ {
		fit = append(fit, payload)
		// A record that fits by itself, but not behind a PERF_RECORD_LOST.
		if perfFootprint(payload)+lostRecordBytes > size-1 {
			want = append(want, payload)
		}
		if t.isWedged(size, payload) {
			seen = append(seen, payload)
		}
	}
	t.check("of payloads of "+span(fit)+" bytes, refused forever", span(want), span(seen))
}

// span writes numbers that follow each other by their ends.
func span(numbers []int) string {
	if n := len(numbers); n > 1 && numbers[n-1]-numbers[0] == n-1 {
		return fmt.Sprintf("%d to %d", numbers[0], numbers[n-1])
	}
	return fmt.Sprint(numbers)
}

// isWedged loses a record, empties the ring, and checks whether the next twenty of the
// same size are refused. If one is accepted, its ring reports the loss.
func (t *T) isWedged(size, payload int) bool {
	array := t.perfArray()
	ring := t.perfRing(array, t.onCPU(0), size, bpfOutput())
	output := t.output(array)
	t.overflow(output, payload, 1)
	ring.read()
	for range 20 {
		if output(payload, 0) == 0 {
			if n := lost(ring.read()); n != 1 {
				t.check("lost, as reported", 1, n)
			}
			return false
		}
		if n := len(ring.read()); n != 0 {
			t.check("records in a ring that refuses", 0, n)
		}
	}
	return true
}
