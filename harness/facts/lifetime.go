package facts

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// lifetimes are statements about when the kernel frees what. It frees after a
// grace period, so what is to be gone is waited for.
func lifetimes() []Statement { return slices.Concat(objects(), pins(), attachments()) }

func objects() []Statement {
	return []Statement{
		{
			ID:     "program-goes-with-descriptor",
			Text:   "A program is gone when its last descriptor is closed.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_prog_put()"),
			run: func(l *lab) {
				program := l.counting(byRawTracepoint, l.scratch(8))
				id := l.id(programs, program.FD())
				twin, err := program.Clone()
				l.must("duplicate descriptor", err)
				l.closeNow(program)
				l.check("one of two descriptors closed, there", true, l.alive(programs, id))
				l.closeNow(twin)
				l.check("both closed, gone", true, l.gone(programs, id))
			},
		},
		{
			ID:     "program-keeps-map",
			Text:   "A map survives its last descriptor through a program that uses it, and goes with the program.",
			Source: elixir("6.12", "kernel/bpf/verifier.c", "resolve_pseudo_ldimm64()"),
			run: func(l *lab) {
				m := l.plainMap()
				program := l.counting(byRawTracepoint, m)
				id := l.id(maps, m.FD())
				l.closeNow(m)
				l.check("descriptor closed, there", true, l.stays(maps, id))
				l.closeNow(program)
				l.check("program closed, gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "unused-map-goes",
			Text:   "A map that no program uses goes with its descriptor.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_put()"),
			run: func(l *lab) {
				used, unused := l.plainMap(), l.plainMap()
				program := l.counting(byRawTracepoint, used)
				l.after(program.Close)
				l.after(used.Close)
				id := l.id(maps, unused.FD())
				l.closeNow(unused)
				l.check("gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "bound-map-stays",
			Text:   "BPF_PROG_BIND_MAP keeps a map that no instruction uses as long as the program.",
			Source: commit("ef15314aa5de", "bpf: Add BPF_PROG_BIND_MAP syscall"),
			Since:  kernel(5, 10, 0),
			run: func(l *lab) {
				used, bound := l.plainMap(), l.plainMap()
				l.after(used.Close)
				program := l.counting(byRawTracepoint, used)
				err := program.BindMap(bound)
				if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
					l.absent(err)
				}
				l.must("bind map", err)
				id := l.id(maps, bound.FD())
				l.closeNow(bound)
				l.check("descriptor closed, there", true, l.stays(maps, id))
				l.closeNow(program)
				l.check("program closed, gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "mapping-keeps-map",
			Text:   "A ring buffer that is mapped stays without a descriptor.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_mmap()"),
			run: func(l *lab) {
				m, err := tryRing(page, 0)
				l.must("make ring buffer", err)
				id := l.id(maps, m.FD())
				mem, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ, unix.MAP_SHARED)
				l.must("map memory", err)
				l.closeNow(m)
				l.check("mapped, there", true, l.stays(maps, id))
				l.must("unmap", unix.Munmap(mem))
				l.check("unmapped, gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "link-keeps-program",
			Text:   "A link keeps its program, and keeps it attached, without a descriptor of the program's.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_raw_tp_link_attach()"),
			run: func(l *lab) {
				counter := l.scratch(8)
				program := l.counting(byRawTracepoint, counter)
				id := l.id(programs, program.FD())
				attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: program})
				l.must("attach", err)
				l.closeNow(program)
				l.check("program closed, there", true, l.stays(programs, id))
				l.check("counts", true, l.counts(counter))
				l.closeNow(attached)
				l.check("link closed, counts", false, l.counts(counter))
				l.check("gone", true, l.gone(programs, id))
			},
		},
		{
			ID:     "ids",
			Text:   "Every object has an id that BPF_*_GET_NEXT_ID lists while it lives; the next object gets another.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_obj_get_next_id()"),
			run: func(l *lab) {
				m := l.plainMap()
				program := l.counting(byRawTracepoint, m)
				mapID, programID := l.id(maps, m.FD()), l.id(programs, program.FD())
				l.check("map listed", true, l.ids(maps)[mapID])
				l.check("program listed", true, l.ids(programs)[programID])
				l.closeNow(program)
				l.closeNow(m)
				l.check("gone from both lists", true, l.eventually(func() bool {
					return !l.ids(maps)[mapID] && !l.ids(programs)[programID]
				}))
				next := l.plainMap()
				l.after(next.Close)
				l.check("next map has the same", false, l.id(maps, next.FD()) == mapID)
			},
		},
		{
			ID:     "no-reference-counts",
			Text:   "The kernel tells which maps a program uses, and of no object how many references it has.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_show_fdinfo()"),
			run: func(l *lab) {
				m := l.plainMap()
				l.after(m.Close)
				program := l.counting(byRawTracepoint, m)
				l.after(program.Close)
				info, err := program.Info()
				l.must("read info", err)
				used, _ := info.MapIDs()
				l.check("its map, and no other, named by the program", true, slices.Equal(used, []ebpf.MapID{ebpf.MapID(l.id(maps, m.FD()))}))
				before := l.fdinfo(m.FD())
				twin, err := m.Clone()
				l.must("duplicate descriptor", err)
				l.after(twin.Close)
				l.check("fdinfo of the map changes with one more descriptor", false, before != l.fdinfo(m.FD()))
				l.check("fields that name references", 0, strings.Count(before+l.fdinfo(program.FD()), "ref"))
			},
		},
		{
			ID:     "btf-is-shared",
			Text:   "A map and a program that name the same BTF object share it; it lives as long as either.",
			Source: elixir("6.12", "kernel/bpf/btf.c", "btf_put()"),
			run:    sharedBTF,
		},
		{
			ID:     "perf-slots-emptied",
			Text:   "Closing a descriptor of a perf buffer empties the slots that were filled through it, unless it was made with BPF_F_PRESERVE_ELEMS (5.10).",
			Source: commit("792caccc4526", "bpf: Introduce BPF_F_PRESERVE_ELEMS for perf event array"),
			run: func(l *lab) {
				l.check("refusal after that", unix.ENOENT, l.outputAfterClose(0))
				l.check("with PRESERVE_ELEMS", nil, l.outputAfterClose(preserveElements))
			},
		},
	}
}

// stays reports whether an object is there, also after the time in which one that
// nobody holds would be freed.
func (l *lab) stays(of kind, id uint32) bool {
	witness := l.plainMap()
	other := l.id(maps, witness.FD())
	l.closeNow(witness)
	return l.gone(maps, other) && l.alive(of, id)
}

// outputAfterClose has a second open file of a perf buffer fill a slot and be
// closed, and outputs into it.
func (l *lab) outputAfterClose(flags uint32) unix.Errno {
	cpus, err := ebpf.PossibleCPU()
	l.must("count CPUs", err)
	array := l.newMap(ebpf.MapSpec{
		Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(cpus), Flags: flags,
	})
	output := l.output(array)
	// A duplicate of the descriptor would be the same open file.
	other, err := ebpf.NewMapFromID(ebpf.MapID(l.id(maps, array.FD())))
	l.must("open map", err)
	l.perfRing(other, l.onCPU(0), page, bpfOutput())
	l.ok(output(8, 0))
	l.closeNow(other)
	return output(8, 0)
}

func (l *lab) fdinfo(fd int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	l.must("read fdinfo", err)
	return string(text)
}
