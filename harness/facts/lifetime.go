// SPDX-License-Identifier: MIT

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

// lifetimes are statements about when the kernel frees objects. It frees after a grace
// period, so experiments wait until an object is gone.
func lifetimes() []Statement { return slices.Concat(objects(), pins(), attachments()) }

func objects() []Statement {
	return []Statement{
		{
			ID:     "program-goes-with-descriptor",
			Text:   "A program is gone when its last descriptor is closed.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_prog_put()"),
			run: func(t *T) {
				program := t.counting(byRawTracepoint, t.scratch(8))
				id := t.id(programs, program.FD())
				twin, err := program.Clone()
				t.must("duplicate descriptor", err)
				t.closeNow(program)
				t.check("one of two descriptors closed, there", true, t.alive(programs, id))
				t.closeNow(twin)
				t.check("both closed, gone", true, t.gone(programs, id))
			},
		},
		{
			ID:     "program-keeps-map",
			Text:   "A map survives its last descriptor through a program that uses it, and goes with the program.",
			Source: elixir("6.12", "kernel/bpf/verifier.c", "resolve_pseudo_ldimm64()"),
			run: func(t *T) {
				m := t.plainMap()
				program := t.counting(byRawTracepoint, m)
				id := t.id(maps, m.FD())
				t.closeNow(m)
				t.check("descriptor closed, there", true, t.stays(maps, id))
				t.closeNow(program)
				t.check("program closed, gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "unused-map-goes",
			Text:   "A map that no program uses goes with its descriptor.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_put()"),
			run: func(t *T) {
				used, unused := t.plainMap(), t.plainMap()
				program := t.counting(byRawTracepoint, used)
				t.after(program.Close)
				t.after(used.Close)
				id := t.id(maps, unused.FD())
				t.closeNow(unused)
				t.check("gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "bound-map-stays",
			Text:   "BPF_PROG_BIND_MAP keeps a map that no instruction uses as long as the program.",
			Source: commit("ef15314aa5de", "bpf: Add BPF_PROG_BIND_MAP syscall"),
			Since:  kernel(5, 10, 0),
			run: func(t *T) {
				used, bound := t.plainMap(), t.plainMap()
				t.after(used.Close)
				program := t.counting(byRawTracepoint, used)
				err := program.BindMap(bound)
				if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
					t.absent(err)
				}
				t.must("bind map", err)
				id := t.id(maps, bound.FD())
				t.closeNow(bound)
				t.check("descriptor closed, there", true, t.stays(maps, id))
				t.closeNow(program)
				t.check("program closed, gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "mapping-keeps-map",
			Text:   "A ring buffer that is mapped stays without a descriptor.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_mmap()"),
			run: func(t *T) {
				m, err := tryRing(page, 0)
				t.must("make ring buffer", err)
				id := t.id(maps, m.FD())
				mem, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ, unix.MAP_SHARED)
				t.must("map memory", err)
				t.closeNow(m)
				t.check("mapped, there", true, t.stays(maps, id))
				t.must("unmap", unix.Munmap(mem))
				t.check("unmapped, gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "link-keeps-program",
			Text:   "A link keeps its program, and keeps it attached, without a descriptor of the program's.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_raw_tp_link_attach()"),
			run: func(t *T) {
				counter := t.scratch(8)
				program := t.counting(byRawTracepoint, counter)
				id := t.id(programs, program.FD())
				attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: program})
				t.must("attach", err)
				t.closeNow(program)
				t.check("program closed, there", true, t.stays(programs, id))
				t.check("counts", true, t.counts(counter))
				t.closeNow(attached)
				t.check("link closed, counts", false, t.counts(counter))
				t.check("gone", true, t.gone(programs, id))
			},
		},
		{
			ID:     "ids",
			Text:   "Every object has an id that BPF_*_GET_NEXT_ID lists while it lives; the next object gets another.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_obj_get_next_id()"),
			run: func(t *T) {
				m := t.plainMap()
				program := t.counting(byRawTracepoint, m)
				mapID, programID := t.id(maps, m.FD()), t.id(programs, program.FD())
				t.check("map listed", true, t.ids(maps)[mapID])
				t.check("program listed", true, t.ids(programs)[programID])
				t.closeNow(program)
				t.closeNow(m)
				t.check("gone from both lists", true, t.eventually(func() bool {
					return !t.ids(maps)[mapID] && !t.ids(programs)[programID]
				}))
				next := t.plainMap()
				t.after(next.Close)
				t.check("next map has the same", false, t.id(maps, next.FD()) == mapID)
			},
		},
		{
			ID:     "no-reference-counts",
			Text:   "The kernel tells which maps a program uses, and of no object how many references it has.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_map_show_fdinfo()"),
			run: func(t *T) {
				m := t.plainMap()
				t.after(m.Close)
				program := t.counting(byRawTracepoint, m)
				t.after(program.Close)
				info, err := program.Info()
				t.must("read info", err)
				used, _ := info.MapIDs()
				t.check("its map, and no other, named by the program", true, slices.Equal(used, []ebpf.MapID{ebpf.MapID(t.id(maps, m.FD()))}))
				before := t.fdinfo(m.FD())
				twin, err := m.Clone()
				t.must("duplicate descriptor", err)
				t.after(twin.Close)
				t.check("fdinfo of the map changes with one more descriptor", false, before != t.fdinfo(m.FD()))
				t.check("fields that name references", 0, strings.Count(before+t.fdinfo(program.FD()), "ref"))
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
			run: func(t *T) {
				t.check("refusal after that", unix.ENOENT, t.outputAfterClose(0))
				t.check("with PRESERVE_ELEMS", nil, t.outputAfterClose(preserveElements))
			},
		},
	}
}

// stays reports whether an object still exists after the time in which an unreferenced
// one is freed.
func (t *T) stays(of kind, id uint32) bool {
	witness := t.plainMap()
	other := t.id(maps, witness.FD())
	t.closeNow(witness)
	return t.gone(maps, other) && t.alive(of, id)
}

// outputAfterClose fills a slot through a second open file of a perf buffer, closes that
// file, and outputs to the slot.
func (t *T) outputAfterClose(flags uint32) unix.Errno {
	cpus, err := ebpf.PossibleCPU()
	t.must("count CPUs", err)
	array := t.newMap(ebpf.MapSpec{
		Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(cpus), Flags: flags,
	})
	output := t.output(array)
	// A duplicate of the descriptor would be the same open file.
	other, err := ebpf.NewMapFromID(ebpf.MapID(t.id(maps, array.FD())))
	t.must("open map", err)
	t.perfRing(other, t.onCPU(0), page, bpfOutput())
	t.ok(output(8, 0))
	t.closeNow(other)
	return output(8, 0)
}

func (t *T) fdinfo(fd int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	t.must("read fdinfo", err)
	return string(text)
}
