// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

func perfMappings() []Statement {
	return []Statement{
		{
			ID:     "perf-mapping-whole",
			Text:   "The mapping of a perf ring cannot be split: to unmap, protect or cut off a part of it fails with EINVAL (CVE-2025-38563, fixed in 6.17 and in the stable lines). That of a ring buffer can.",
			Source: commit("b024d7b56c77", "perf/core: Prevent VMA split of buffer mappings"),
			Since:  kernel(6, 17, 0),
			run: func(t *T) {
				mapping := func() []byte { return t.perfMapping(4) }
				last := func(mem []byte) []byte { return mem[4*page:] }
				err := munmap(last(mapping()))
				if err == nil {
					t.absent(errors.New("the last page was unmapped"))
				}
				t.check("unmap the last page", unix.EINVAL, err)
				t.check("write-protect it", unix.EINVAL, unix.Mprotect(last(mapping()), unix.PROT_READ))
				t.check("cut it off by mremap", unix.EINVAL, mremap(mapping(), 4*page))
				t.check("unmap all but the first", unix.EINVAL, munmap(mapping()[page:]))
				t.check("write-protect all", nil, unix.Mprotect(mapping(), unix.PROT_READ))
				ring := t.ring(4*page, 0)
				t.check("unmap the last page of a ring buffer", nil, munmap(ring.data[7*page:]))
			},
		},
		{
			ID:     "perf-mapped-again",
			Text:   "The ring of a perf event can be mapped once more, from its start, in the size that it has, or it fails with EINVAL.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_mmap()"),
			run: func(t *T) {
				ring := t.perfRing(nil, t.onCPU(0), 4*page, bpfOutput())
				again := func(offset, pages int) error {
					mem, err := unix.Mmap(ring.fd(), int64(offset*page), pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
					if err == nil {
						t.after(func() error { return unix.Munmap(mem) })
					}
					return err
				}
				t.check("the same size", nil, again(0, 5))
				t.check("half of the data", unix.EINVAL, again(0, 3))
				t.check("twice the data", unix.EINVAL, again(0, 9))
				t.check("the positions alone", unix.EINVAL, again(0, 1))
				t.check("the data alone", unix.EINVAL, again(1, 4))
			},
		},
	}
}

// perfMapping maps a perf ring of so many pages of data.
func (t *T) perfMapping(pages int) []byte {
	ring := t.perfRing(nil, t.onCPU(0), pages*page, bpfOutput())
	return ring.meta[:page*(pages+1)]
}

// munmap unmaps any part of a mapping; unix.Munmap takes only what unix.Mmap returned.
func munmap(mem []byte) error {
	if _, _, e := unix.Syscall(unix.SYS_MUNMAP, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), 0); e != 0 {
		return e
	}
	return nil
}

// mremap shrinks a mapping in place.
func mremap(mem []byte, size int) error {
	if _, _, e := unix.Syscall6(unix.SYS_MREMAP, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(size), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
