// SPDX-License-Identifier: MIT

package facts

import (
	"slices"

	"golang.org/x/sys/unix"
)

// capacitySizes are those of payloads that are tried, in bytes: around multiples of
// eight, and up to a ring of a page.
var capacitySizes = []int{8, 9, 12, 13, 16, 64, 100, 333, 1000, 2000, 2031, 2032, 2040, 4076}

func capacity() []Statement {
	return []Statement{
		{
			ID:     "ring-capacity",
			Text:   "An unread ring buffer takes floor((size - 1) / round_up(length + 8, 8)) records, and refuses the next with EAGAIN.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				t.checkCapacity(ringFootprint, unix.EAGAIN, func(size int) output {
					return t.output(t.ring(size, 0).Map)
				})
			},
		},
		{
			ID:     "perf-capacity",
			Text:   "An unread perf ring takes floor((size - 1) / (8 + round_up(payload + 4, 8))) records, and refuses the next with ENOSPC.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "ring_buffer_has_space()"),
			run: func(t *T) {
				t.checkCapacity(perfFootprint, unix.ENOSPC, func(size int) output {
					array := t.perfArray()
					t.perfRing(array, t.onCPU(0), size, bpfOutput())
					return t.output(array)
				})
			},
		},
		{
			ID:     "ring-usable-bytes",
			Text:   "A ring buffer holds size - 1 bytes: a record that fills it to the last byte is refused.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				output := t.output(t.ring(page, 0).Map)
				t.check("payload of size - 8 bytes", unix.EAGAIN, output(page-8, 0))
				t.check("of size - 15", unix.EAGAIN, output(page-15, 0))
				t.check("of size - 16", nil, output(page-16, 0))
			},
		},
		{
			ID:     "ring-footprint",
			Text:   "A record takes round_up(length + 8, 8) bytes of a ring buffer.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(2*page, 0)
				output := t.output(ring.Map)
				checkAll(t, "bytes for lengths 0 to 20 and 4096", append(append([]int{0}, upTo(20)...), 4096),
					func(n int) any { return ringFootprint(n) },
					func(n int) any {
						before := ring.produced()
						t.ok(output(n, 0))
						ring.read()
						return ring.produced() - before
					})
			},
		},
		{
			ID:     "perf-padding",
			Text:   "The reader of a perf ring gets round_up(payload + 4, 8) - 4 bytes for a payload.",
			Source: elixir("6.12", "include/linux/perf_event.h", "perf_sample_save_raw_data()"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(array, t.onCPU(0), 2*page, bpfOutput())
				output := t.output(array)
				checkAll(t, "bytes for 1 to 20, 64 and 4076", append(upTo(20), 64, 4076),
					func(n int) any { return roundUp8(n+perfSizeBytes) - perfSizeBytes },
					func(n int) any {
						t.ok(output(n, 0))
						return len(ring.read()[0].raw)
					})
			},
		},
		{
			ID:     "perf-footprint",
			Text:   "A sample takes 8 + round_up(payload + 4, 8) bytes of a perf ring.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_prepare_sample()"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(array, t.onCPU(0), 2*page, bpfOutput())
				output := t.output(array)
				checkAll(t, "bytes for 1 to 20 and 4096", append(upTo(20), 4096),
					func(n int) any { return perfFootprint(n) },
					func(n int) any {
						before := ring.head()
						t.ok(output(n, 0))
						ring.read()
						return ring.head() - before
					})
			},
		},
		{
			ID:     "perf-64k",
			Text:   "A sample's size is 16 bits wide: payloads up to 65516 bytes are whole, and one byte more leaves a header that says 0 bytes, although the helper says nothing.",
			Source: elixir("6.12", "include/uapi/linux/perf_event.h", "struct perf_event_header"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(array, t.onCPU(0), 1<<18, bpfOutput())
				output := t.output(array)
				t.check("65516 bytes", nil, output(65516, 0))
				t.check("in its header", 65528, headerBytes(ring.read()))
				t.check("65517 bytes", nil, output(65517, 0))
				t.check("in its header", 0, headerBytes(ring.read()))
			},
		},
		{
			ID:     "ring-over-64k",
			Text:   "A ring buffer takes records of more than 64 KiB.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "RINGBUF_MAX_RECORD_SZ"),
			run: func(t *T) {
				ring := t.ring(1<<18, 0)
				t.check("100000 bytes", nil, t.output(ring.Map)(100000, 7))
				records := ring.read()
				t.check("records", 1, len(records))
				t.check("of length", 100000, records[0].length)
			},
		},
		{
			ID:     "ring-too-large-record",
			Text:   "A record that could never fit is refused as one that does not fit now: reserve returns NULL, output EAGAIN.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				t.check("reserve of 2 pages in a ring of one", "NULL", t.reserve(t.reserveProgram(ring.Map, 2*page)))
				t.check("of 2^30 bytes", "NULL", t.reserve(t.reserveProgram(ring.Map, 1<<30)))
				t.check("output of 2 pages", unix.EAGAIN, t.output(ring.Map)(2*page, 0))
			},
		},
		{
			ID:     "ring-size",
			Text:   "The size of a ring buffer is a power of two and a multiple of the page size, or making it fails with EINVAL.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_alloc()"),
			run: func(t *T) {
				checkAll(t, "0, 1, half a page, 1, 2, 3, 4 and 5 pages", []int{0, 1, page / 2, page, 2 * page, 3 * page, 4 * page, 5 * page},
					func(n int) any {
						if n >= page && n&(n-1) == 0 {
							return nil
						}
						return unix.EINVAL
					},
					func(n int) any {
						m, err := tryRing(n, 0)
						if err == nil {
							t.after(m.Close)
						}
						return err
					})
			},
		},
		{
			ID:     "perf-ring-size",
			Text:   "A perf ring is a page and 2^n pages of data, or mapping it fails with EINVAL.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_mmap()"),
			run: func(t *T) {
				checkAll(t, "1, 2, 3, 4 and 5 pages of data", upTo(5),
					func(n int) any {
						if n&(n-1) == 0 {
							return nil
						}
						return unix.EINVAL
					},
					func(n int) any {
						attr := bpfOutput()
						fd, err := unix.PerfEventOpen(&attr, -1, t.onCPU(0), -1, unix.PERF_FLAG_FD_CLOEXEC)
						t.must("open perf event", err)
						t.after(func() error { return unix.Close(fd) })
						mem, err := unix.Mmap(fd, 0, (1+n)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
						if err == nil {
							t.after(func() error { return unix.Munmap(mem) })
						}
						return err
					})
			},
		},
	}
}

// checkCapacity fills rings of a page, of which open opens a new one each time.
func (t *T) checkCapacity(footprint func(int) int, refusal unix.Errno, open func(size int) output) {
	var refusals []any
	checkAll(t, "records of 8 to 4076 bytes in a page", capacitySizes,
		func(n int) any { return (page - 1) / footprint(n) },
		func(n int) any {
			fitted, refused := t.fill(open(page), n)
			refusals = append(refusals, refused)
			return fitted
		})
	t.check("then", refusal, same(refusals))
	fitted, _ := t.fill(open(4*page), 100)
	t.check("of 100 bytes in four pages", (4*page-1)/footprint(100), fitted)
}

// headerBytes is the length of the only record as its header says.
func headerBytes(records []perfRecord) any {
	if len(records) != 1 {
		return len(records)
	}
	return records[0].bytes
}

// same is the one value that all have, or all of them.
func same(values []any) any {
	if len(slices.CompactFunc(slices.Clone(values), func(a, b any) bool { return a == b })) == 1 {
		return values[0]
	}
	return values
}

// upTo is 1 to n.
func upTo(n int) []int {
	var all []int
	for i := 1; i <= n; i++ {
		all = append(all, i)
	}
	return all
}
