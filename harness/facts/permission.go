// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// permissions are statements about the capabilities that the transports need.
func permissions() []Statement {
	return []Statement{
		{
			ID:     "map-capability",
			Text:   "The maps of both transports take CAP_BPF, or fail with EPERM, if unprivileged_bpf_disabled is not 0, and else nothing.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "map_create()"),
			run: func(t *T) {
				cpus := uint32(t.cpuList("possible"))
				rings := func() error { return t.tryMap(ebpf.RingBuf, 0, uint32(page)) }
				array := func() error { return t.tryMap(ebpf.PerfEventArray, 4, cpus) }
				free := t.sysctl("unprivileged_bpf_disabled") == 0
				want := func(c capabilities) any { return t.refusal(unix.EPERM, free || c.has(unix.CAP_BPF)) }
				t.checkCapabilities("ring buffer", want, rings)
				t.checkCapabilities("map of a perf buffer", want, array)
			},
		},
		{
			ID:     "program-capability",
			Text:   "Loading a tracing program takes both CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, for either transport, or fails with EPERM.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_prog_load()"),
			run: func(t *T) {
				load := func(to *ebpf.Map) func() error {
					return func() error {
						p, err := tryLoad("needs", ebpf.RawTracepoint, asm.Instructions{
							asm.LoadMapPtr(asm.R1, to.FD()),
							asm.Mov.Imm(asm.R0, 0),
							asm.Return(),
						})
						if err == nil {
							t.closeNow(p)
						}
						return err
					}
				}
				want := func(c capabilities) any { return t.refusal(unix.EPERM, c.has(unix.CAP_BPF) && c.has(unix.CAP_PERFMON)) }
				t.checkCapabilities("for a ring buffer", want, load(t.ring(page, 0).Map))
				t.checkCapabilities("for a perf buffer", want, load(t.perfArray()))
			},
		},
		{
			ID:     "perf-open-capability",
			Text:   "Opening the perf ring of a CPU takes CAP_PERFMON, or CAP_SYS_ADMIN, or fails with EACCES, if perf_event_paranoid is 1 or 2, and nothing if it is 0 or -1.",
			Source: elixir("6.12", "include/linux/perf_event.h", "perf_allow_cpu()"),
			run: func(t *T) {
				levels := []int{2, 1, 0, -1}
				if !t.machine {
					levels = []int{t.sysctl(paranoid)}
				}
				for _, level := range levels {
					if level > 2 {
						t.cannot("perf_event_paranoid is %d, which is for distributions to define", level)
					}
					t.checkOpen(level, func(c capabilities) bool { return level <= 0 || c.has(unix.CAP_PERFMON) })
				}
			},
		},
		{
			ID:     "perf-paranoid-3",
			Text:   "perf_event_paranoid of 3, Debian's default, takes CAP_SYS_ADMIN on Debian's kernels; the kernel's own levels end at 2, and 3 is as 2.",
			Source: "https://salsa.debian.org/kernel-team/linux/-/blob/debian/latest/debian/patches/features/all/security-perf-allow-further-restriction-of-perf_event_open.patch",
			run: func(t *T) {
				needs := unix.CAP_PERFMON
				switch version := t.version(); {
				case strings.Contains(version, "Debian"):
					needs = unix.CAP_SYS_ADMIN
				case strings.Contains(version, "Ubuntu"):
					t.cannot("a kernel of Ubuntu, which has levels of its own")
				}
				if !t.machine && t.sysctl(paranoid) != 3 {
					t.cannot("takes a machine whose perf_event_paranoid may be changed: a kernel in a machine (--kernel)")
				}
				t.checkOpen(3, func(c capabilities) bool { return c.has(needs) })
			},
		},
		{
			ID:     "perf-slot-capability",
			Text:   "To put a perf event into its slot takes no capability with both descriptors, since 5.19; before, as all of bpf(2), CAP_BPF if unprivileged_bpf_disabled is not 0, or fails with EPERM.",
			Source: commit("c8644cd0efe7", "bpf: refine kernel.unprivileged_bpf_disabled behaviour"),
			run: func(t *T) {
				array := t.perfArray()
				ring := t.perfRing(nil, t.onCPU(0), page, bpfOutput())
				free := t.kernel >= kernel(5, 19, 0) || t.sysctl("unprivileged_bpf_disabled") == 0
				want := func(c capabilities) any { return t.refusal(unix.EPERM, free || c.has(unix.CAP_BPF)) }
				t.checkCapabilities("put", want, func() error { return array.Put(uint32(ring.cpu), uint32(ring.fd())) })
			},
		},
		{
			ID:     "perf-mlock-capability",
			Text:   "Without CAP_IPC_LOCK a perf ring above perf_event_mlock_kb for each CPU counts against RLIMIT_MEMLOCK, and mapping it fails with EPERM, unless perf_event_paranoid is -1; a ring buffer of that size does not.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_mmap()"),
			run:    perfMlock,
		},
		{
			ID:     "descriptor-is-enough",
			Text:   "Whoever has the descriptors of a ring buffer, or of a perf event, maps it, waits for it and reads it without any capability.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_mmap()"),
			run: func(t *T) {
				m, err := tryRing(page, 0)
				t.must("make ring buffer", err)
				t.after(m.Close)
				array := t.perfArray()
				event := bpfOutput()
				fd, err := unix.PerfEventOpen(&event, -1, t.onCPU(0), -1, unix.PERF_FLAG_FD_CLOEXEC)
				t.must("open perf event", err)
				t.after(func() error { return unix.Close(fd) })
				t.must("put perf event into its slot", array.Put(uint32(t.cpu(0)), uint32(fd)))
				toRing, toPerf := t.output(m), t.output(array)
				var ring *ring
				perf := &perfRing{t: t, size: page}
				var epoll int
				t.with(none, func() {
					ring = t.mapRing(m, page)
					ring.wait()
					mem := t.mmap(fd, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE)
					perf.meta, perf.data = mem[:page], mem[page:]
					epoll = t.epoll(fd)
				})
				t.ok(toRing(8, 1))
				t.ok(toPerf(8, 2))
				t.with(none, func() {
					t.check("woken by the ring buffer", true, ring.woken())
					t.check("read", []uint64{1}, numbers(ring.read()))
					t.check("woken by the perf ring", true, t.woken(epoll))
					t.check("read", []uint64{2}, samples(perf.read()))
				})
				t.check("bytes left in the ring buffer", 0, ring.produced()-ring.consumed())
			},
		},
	}
}

func perfMlock(t *T) {
	pages := 1 // more than a user may lock
	for pages*page <= t.sysctl("perf_event_mlock_kb")<<10*t.cpuList("online") {
		pages *= 2
	}
	attr := bpfOutput()
	fd, err := unix.PerfEventOpen(&attr, -1, t.onCPU(0), -1, unix.PERF_FLAG_FD_CLOEXEC)
	t.must("open perf event", err)
	t.after(func() error { return unix.Close(fd) })
	ring, err := tryRing(pages*page, 0)
	t.must("make ring buffer", err)
	t.after(ring.Close)
	maps := func(fd, offset, length, prot int) error {
		mem, err := unix.Mmap(fd, int64(offset), length, prot, unix.MAP_SHARED)
		if err == nil {
			t.must("unmap", unix.Munmap(mem))
		}
		return err
	}
	mapPerf := func() error { return maps(fd, 0, (1+pages)*page, unix.PROT_READ|unix.PROT_WRITE) }
	mapRing := func() error { return maps(ring.FD(), page, (1+2*pages)*page, unix.PROT_READ) }

	var old unix.Rlimit
	t.must("read limit", unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old))
	restore := func() error { return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old) }
	t.must("set limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: old.Max}))
	t.after(restore)
	free := t.sysctl(paranoid) < 0
	t.check("perf ring, with CAP_IPC_LOCK", nil, mapPerf())
	t.with(none, func() {
		t.check("without", t.refusal(unix.EPERM, free), mapPerf())
		t.check("ring buffer without", nil, mapRing())
	})
	t.must("set limit", restore())
	t.with(none, func() { t.check("perf ring without, and without a limit", nil, mapPerf()) })
}

// paranoid is the sysctl of who may open perf events.
const paranoid = "perf_event_paranoid"

// checkOpen opens the event of a CPU with perf_event_paranoid at a level.
func (t *T) checkOpen(level int, allowed func(capabilities) bool) {
	if old := t.sysctl(paranoid); old != level {
		t.must("set perf_event_paranoid", setSysctl(paranoid, level))
		t.after(func() error { return setSysctl(paranoid, old) })
	}
	want := func(c capabilities) any { return t.refusal(unix.EACCES, allowed(c)) }
	t.checkCapabilities(fmt.Sprintf("at %d,", level), want, func() error {
		attr := bpfOutput()
		fd, err := unix.PerfEventOpen(&attr, -1, t.cpu(0), -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err == nil {
			t.must("close", unix.Close(fd))
		}
		return err
	})
}

// refusal is the errno that is expected unless something is allowed.
func (t *T) refusal(with unix.Errno, allowed bool) any {
	if allowed {
		return nil
	}
	return with
}

// tryMap makes a map, and closes it.
func (t *T) tryMap(of ebpf.MapType, keySize, entries uint32) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "needs", Type: of, KeySize: keySize, ValueSize: keySize, MaxEntries: entries})
	if err == nil {
		t.closeNow(m)
	}
	return err
}

const sysctls = "/proc/sys/kernel/"

func setSysctl(name string, value int) error {
	return os.WriteFile(sysctls+name, []byte(strconv.Itoa(value)), 0)
}

// sysctl is one of the kernel's numbers.
func (t *T) sysctl(name string) int {
	text, err := os.ReadFile(sysctls + name)
	t.must("read "+name, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	t.must("read "+name, err)
	return n
}
