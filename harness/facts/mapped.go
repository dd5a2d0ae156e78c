// SPDX-License-Identifier: MIT

package facts

import (
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// mapped are statements about what touching a mapping costs.
func mapped() []Statement {
	return []Statement{
		{
			ID:     "mmapable-array-memory",
			Text:   "An array made with BPF_F_MMAPABLE takes its memory when it is made. Its mapping is complete too; since 7.3 the first touch of each page is a page fault.",
			Source: elixir("6.12", "kernel/bpf/arraymap.c", "array_map_mmap()"),
			run: func(t *T) {
				group := t.memcg()
				before := group.bytes()
				const size = 4 << 20
				m := t.newMap(ebpf.MapSpec{
					Name: "mmapable", Type: ebpf.Array, KeySize: 4, ValueSize: size, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE,
				})
				charged := group.bytes() - before
				if t.kernel >= kernel(5, 11, 0) { // before, maps are charged to no memory cgroup
					t.check("4 MiB charged before a touch", true, charged >= size/2)
				}
				mem := t.mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE)
				t.check("page faults of the first touch", t.kernel >= kernel(7, 3, 0), t.faults(mem))
				t.check("of the second", false, t.faults(mem))
				t.check("as much again charged by that", false, group.bytes()-before-charged >= size/2)
			},
		},
		{
			ID:     "mapped-ahead",
			Text:   "Reading a ring buffer for the first time takes no page fault; a perf ring takes one for each page, and since 6.14 none.",
			Source: commit("b709eb872e19", "perf: map pages in advance"),
			run: func(t *T) {
				t.check("ring buffer", false, t.faults(t.ring(256*page, 0).data))
				t.check("perf ring", t.kernel < kernel(6, 14, 0), t.faults(t.perfRing(nil, t.onCPU(0), 256*page, bpfOutput()).data))
			},
		},
	}
}

// faults reads a word of each page, and reports whether that took page faults, one for
// at least half of the pages. The Go runtime may take a few in this thread.
func (t *T) faults(mem []byte) bool {
	count := func() int64 {
		var usage unix.Rusage
		t.must("count page faults", unix.Getrusage(unix.RUSAGE_THREAD, &usage))
		return usage.Minflt
	}
	before := count()
	for at := 0; at < len(mem); at += page {
		atomic.LoadUint64(word(mem[at:]))
	}
	return count()-before >= int64(len(mem)/page/2)
}
