package facts

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func memory() []Statement {
	return []Statement{
		{
			ID:     "ring-mmap-permissions",
			Text:   "User space may write the reader's position of a ring buffer, and neither the producer's nor the data, now or later by mprotect.",
			Source: commit("04ea3086c4d7", "bpf: Prevent writable memory-mapping of read-only ringbuf pages"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				writable := func(offset, length int) error {
					mem, err := unix.Mmap(ring.FD(), int64(offset), length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
					if err == nil {
						l.after(func() error { return unix.Munmap(mem) })
					}
					return err
				}
				l.check("first page writable", nil, writable(0, page))
				l.check("both pages of positions", unix.EPERM, writable(0, 2*page))
				l.check("the producer's", unix.EPERM, writable(page, page))
				l.check("data", unix.EPERM, writable(2*page, page))
				l.check("mprotect of the producer's", unix.EACCES, unix.Mprotect(ring.producer, unix.PROT_READ|unix.PROT_WRITE))
			},
		},
		{
			ID:     "ring-mapped-twice",
			Text:   "The data of a ring buffer are mapped twice in a row, so that a record which wraps around is in one piece.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_area_alloc()"),
			run: func(l *lab) {
				ring := l.ring(page, 0)
				output := l.output(ring.Map)
				l.ok(output(page-24, 1)) // 16 bytes are left until the end
				ring.read()
				l.ok(output(64, 2))
				l.check("record at the end, number", []uint64{2}, numbers(ring.read()))
				l.check("both copies the same", true, bytes.Equal(ring.data[:page], ring.data[page:2*page]))
			},
		},
		{
			ID:     "ring-memlock",
			Text:   "The memlock of a ring buffer in fdinfo is its data pages once, three pages of positions and bookkeeping, and what it takes to list them, exactly since 6.4.",
			Source: elixir("6.4", "kernel/bpf/ringbuf.c", "ringbuf_map_mem_usage()"),
			run: func(l *lab) {
				want := func(pages int) any {
					switch {
					case l.kernel >= kernel(6, 4, 0):
						return pages + 3 // and less than a page
					case l.kernel >= kernel(5, 11, 0):
						return 0 // key and value size times entries: a guess
					}
					return pages + 4 // rounded up
				}
				checkAll(l, "whole pages of memlock for 1, 16 and 64 pages", []int{1, 16, 64}, want, func(pages int) any {
					m, err := tryRing(pages*page, 0)
					l.must("make ring buffer", err)
					l.after(m.Close)
					return l.memlock(m) / page
				})
			},
		},
		{
			ID:     "perf-not-in-memlock",
			Text:   "The rings of a perf buffer are not in its map's memlock: that is the same before and after they are mapped.",
			Source: elixir("6.12", "kernel/bpf/arraymap.c", "perf_event_array_map_ops"),
			run: func(l *lab) {
				array := l.perfArray()
				before := l.memlock(array)
				l.perfRing(array, l.onCPU(0), 64*page, bpfOutput())
				l.check("bytes more with a ring of 64 pages", 0, l.memlock(array)-before)
			},
		},
		{
			ID:     "perf-pinned",
			Text:   "What perf rings take beyond perf_event_mlock_kb for each CPU is in VmPin of the process.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_mmap()"),
			run: func(l *lab) {
				text, err := os.ReadFile("/proc/sys/kernel/perf_event_mlock_kb")
				l.must("read perf_event_mlock_kb", err)
				kib, err := strconv.Atoi(strings.TrimSpace(string(text)))
				l.must("read perf_event_mlock_kb", err)
				online, err := os.ReadFile("/sys/devices/system/cpu/online")
				l.must("count CPUs", err)
				allowed := kib * countCPUs(string(online)) / (page >> 10) // pages
				size := 1
				for size < allowed {
					size *= 2
				}
				size *= 2
				before := l.pinned()
				l.perfRing(nil, l.onCPU(0), size*page, bpfOutput())
				// Others of the same user may have used up some of what is allowed.
				pinned := (l.pinned() - before) / (page >> 10)
				l.check("all beyond what is allowed to a user, pinned", true, size+1-allowed <= pinned && pinned <= size+1)
			},
		},
		{
			ID:     "ring-not-pinned",
			Text:   "A ring buffer is neither in VmPin nor in VmLck of the process that made and mapped it.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_mmap()"),
			run: func(l *lab) {
				pinned, locked := l.pinned(), l.status("VmLck")
				l.ring(64*page, 0)
				l.check("VmPin more", 0, l.pinned()-pinned)
				l.check("VmLck more", 0, l.status("VmLck")-locked)
			},
		},
		{
			ID:     "no-rlimit",
			Text:   "Since 5.11 maps do not count against RLIMIT_MEMLOCK; before, making one over the limit fails with EPERM.",
			Source: elixir("5.10", "kernel/bpf/syscall.c", "bpf_charge_memlock()"),
			run: func(l *lab) {
				var want any
				if l.kernel < kernel(5, 11, 0) {
					want = unix.EPERM
				}
				var old unix.Rlimit
				l.must("read limit", unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old))
				l.must("set limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: old.Max}))
				m, err := tryRing(page, 0)
				l.must("set limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old))
				if err == nil {
					l.after(m.Close)
				}
				l.check("ring buffer with a limit of 0", want, err)
			},
		},
		{
			ID:     "ring-in-memcg",
			Text:   "Since 5.11 a ring buffer is charged to the memory cgroup of the process that makes it.",
			Source: elixir("5.11", "kernel/bpf/ringbuf.c", "bpf_ringbuf_area_alloc()"),
			run: func(l *lab) {
				group := l.memcg()
				before := group.bytes()
				m, err := tryRing(memcgPages*page, 0)
				l.must("make ring buffer", err)
				l.after(m.Close)
				l.check("4 MiB ring buffer charged", l.kernel >= kernel(5, 11, 0), group.bytes()-before >= memcgPages*page/2)
			},
		},
		{
			ID:     "perf-not-in-memcg",
			Text:   "The rings of a perf buffer are charged to no memory cgroup.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "perf_mmap_alloc_page()"),
			run: func(l *lab) {
				group := l.memcg()
				before := group.bytes()
				l.perfRing(nil, l.onCPU(0), memcgPages*page, bpfOutput())
				l.check("4 MiB perf ring charged", false, group.bytes()-before >= memcgPages*page/2)
			},
		},
	}
}

// memlock is what fdinfo says of a map, in bytes.
func (l *lab) memlock(m *ebpf.Map) int {
	return l.field(l.fdinfo(m.FD()), "memlock")
}

// pinned is VmPin in KiB.
func (l *lab) pinned() int { return l.status("VmPin") }

func (l *lab) status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	l.must("read status", err)
	return l.field(string(text), name)
}

// field is the number behind a name and a colon.
func (l *lab) field(text, name string) int {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if key == name {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			l.must("read "+name, err)
			return n
		}
	}
	l.end(fmt.Errorf("no %s", name))
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
