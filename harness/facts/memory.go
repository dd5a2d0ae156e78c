// SPDX-License-Identifier: MIT

package facts

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func memory() []Statement { return slices.Concat(memoryOfRings(), mapped(), perfMappings()) }

func memoryOfRings() []Statement {
	return []Statement{
		{
			ID:     "ring-mmap-permissions",
			Text:   "User space may write the reader's position of a ring buffer, and neither the producer's nor the data, now or later by mprotect.",
			Source: commit("04ea3086c4d7", "bpf: Prevent writable memory-mapping of read-only ringbuf pages"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				writable := func(offset, length int) error {
					mem, err := unix.Mmap(ring.FD(), int64(offset), length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
					if err == nil {
						t.after(func() error { return unix.Munmap(mem) })
					}
					return err
				}
				t.check("first page writable", nil, writable(0, page))
				t.check("both pages of positions", unix.EPERM, writable(0, 2*page))
				t.check("the producer's", unix.EPERM, writable(page, page))
				t.check("data", unix.EPERM, writable(2*page, page))
				t.check("mprotect of the producer's", unix.EACCES, unix.Mprotect(ring.producer, unix.PROT_READ|unix.PROT_WRITE))
			},
		},
		{
			ID:     "ring-mapped-twice",
			Text:   "The data of a ring buffer are mapped twice in a row, so that a record which wraps around is in one piece.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_area_alloc()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				output := t.output(ring.Map)
				t.ok(output(page-24, 1)) // 16 bytes are left until the end
				ring.read()
				t.ok(output(64, 2))
				t.check("record at the end, number", []uint64{2}, numbers(ring.read()))
				t.check("both copies the same", true, bytes.Equal(ring.data[:page], ring.data[page:2*page]))
			},
		},
		{
			ID:     "ring-memlock",
			Text:   "The memlock of a ring buffer in fdinfo is its data pages once, three pages of positions and bookkeeping, and what it takes to list them, exactly since 6.4.",
			Source: elixir("6.4", "kernel/bpf/ringbuf.c", "ringbuf_map_mem_usage()"),
			run: func(t *T) {
				want := func(pages int) any {
					switch {
					case t.kernel >= kernel(6, 4, 0):
						return pages + 3 // and less than a page
					case t.kernel >= kernel(5, 11, 0):
						return 0 // key and value size times entries: a guess
					}
					return pages + 4 // rounded up
				}
				checkAll(t, "whole pages of memlock for 1, 16 and 64 pages", []int{1, 16, 64}, want, func(pages int) any {
					m, err := tryRing(pages*page, 0)
					t.must("make ring buffer", err)
					t.after(m.Close)
					return t.memlock(m) / page
				})
			},
		},
		{
			ID:     "perf-not-in-memlock",
			Text:   "The rings of a perf buffer are not in its map's memlock: that is the same before and after they are mapped.",
			Source: elixir("6.12", "kernel/bpf/arraymap.c", "perf_event_array_map_ops"),
			run: func(t *T) {
				array := t.perfArray()
				before := t.memlock(array)
				t.perfRing(array, t.onCPU(0), 64*page, bpfOutput())
				t.check("bytes more with a ring of 64 pages", 0, t.memlock(array)-before)
			},
		},
		{
			ID:     "perf-pinned",
			Text:   "What perf rings take beyond perf_event_mlock_kb for each CPU is in VmPin of the process.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_mmap()"),
			run: func(t *T) {
				text, err := os.ReadFile("/proc/sys/kernel/perf_event_mlock_kb")
				t.must("read perf_event_mlock_kb", err)
				kib, err := strconv.Atoi(strings.TrimSpace(string(text)))
				t.must("read perf_event_mlock_kb", err)
				allowed := kib * t.cpuList("online") / (page >> 10) // pages
				size := 1
				for size < allowed {
					size *= 2
				}
				size *= 2
				before := t.pinned()
				t.perfRing(nil, t.onCPU(0), size*page, bpfOutput())
				// Other processes of the same user may have used part of the limit.
				pinned := (t.pinned() - before) / (page >> 10)
				t.check("all beyond what is allowed to a user, pinned", true, size+1-allowed <= pinned && pinned <= size+1)
			},
		},
		{
			ID:     "ring-not-pinned",
			Text:   "A ring buffer is neither in VmPin nor in VmLck of the process that made and mapped it.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_mmap()"),
			run: func(t *T) {
				pinned, locked := t.pinned(), t.status("VmLck")
				t.ring(64*page, 0)
				t.check("VmPin more", 0, t.pinned()-pinned)
				t.check("VmLck more", 0, t.status("VmLck")-locked)
			},
		},
		{
			ID:     "no-rlimit",
			Text:   "Since 5.11 maps do not count against RLIMIT_MEMLOCK; before, making one over the limit fails with EPERM.",
			Source: elixir("5.10", "kernel/bpf/syscall.c", "bpf_charge_memlock()"),
			run: func(t *T) {
				var want any
				if t.kernel < kernel(5, 11, 0) {
					want = unix.EPERM
				}
				var old unix.Rlimit
				t.must("read limit", unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old))
				t.must("set limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: old.Max}))
				m, err := tryRing(page, 0)
				t.must("set limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old))
				if err == nil {
					t.after(m.Close)
				}
				t.check("ring buffer with a limit of 0", want, err)
			},
		},
		{
			ID:     "ring-in-memcg",
			Text:   "Since 5.11 a ring buffer is charged to the memory cgroup of the process that makes it.",
			Source: elixir("5.11", "kernel/bpf/ringbuf.c", "bpf_ringbuf_area_alloc()"),
			run: func(t *T) {
				group := t.memcg()
				before := group.bytes()
				m, err := tryRing(memcgPages*page, 0)
				t.must("make ring buffer", err)
				t.after(m.Close)
				t.check("4 MiB ring buffer charged", t.kernel >= kernel(5, 11, 0), group.bytes()-before >= memcgPages*page/2)
			},
		},
		{
			ID:     "perf-not-in-memcg",
			Text:   "The rings of a perf buffer are charged to no memory cgroup.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "perf_mmap_alloc_page()"),
			run: func(t *T) {
				group := t.memcg()
				before := group.bytes()
				t.perfRing(nil, t.onCPU(0), memcgPages*page, bpfOutput())
				t.check("4 MiB perf ring charged", false, group.bytes()-before >= memcgPages*page/2)
			},
		},
	}
}

// memlock is the memlock value in a map's fdinfo, in bytes.
func (t *T) memlock(m *ebpf.Map) int {
	return t.field(t.fdinfo(m.FD()), "memlock")
}

// pinned is VmPin in KiB.
func (t *T) pinned() int { return t.status("VmPin") }

func (t *T) status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	t.must("read status", err)
	return t.field(string(text), name)
}

// field is the number behind a name and a colon.
func (t *T) field(text, name string) int {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if key == name {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			t.must("read "+name, err)
			return n
		}
	}
	t.end(fmt.Errorf("no %s", name))
	return 0
}

// countCPUs counts a list as 0-3,5.
func countCPUs(list string) int {
	n := 0
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		var first, last int
		if k, _ := fmt.Sscanf(part, "%d-%d", &first, &last); k < 2 {
			last = first
		}
		n += last - first + 1
	}
	return n
}
