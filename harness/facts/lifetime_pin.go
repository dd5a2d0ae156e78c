// SPDX-License-Identifier: MIT

package facts

import (
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// pins are statements about objects pinned in a BPF file system.
func pins() []Statement {
	return []Statement{
		{
			ID:     "pinned-program-stays",
			Text:   "A program that is pinned stays without a descriptor, until it is unpinned.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(t *T) {
				path := filepath.Join(t.mount("bpf"), "program")
				program := t.counting(byRawTracepoint, t.scratch(8))
				id := t.id(programs, program.FD())
				t.must("pin", program.Pin(path))
				t.closeNow(program)
				t.check("pinned, there", true, t.stays(programs, id))
				t.must("unpin", os.Remove(path))
				t.check("unpinned, gone", true, t.gone(programs, id))
			},
		},
		{
			ID:     "pinned-program-survives-loader",
			Text:   "A pinned program survives the process that loaded it.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(t *T) {
				dir := t.mount("bpf")
				child := t.loader(loaderJob{Attach: byRawTracepoint.name, Dir: dir, PinProgram: true})
				child.end()
				program, err := ebpf.LoadPinnedProgram(filepath.Join(dir, "program"), nil)
				t.must("open pinned program", err)
				t.check("loader gone, program there", true, t.alive(programs, t.id(programs, program.FD())))
				id := t.id(programs, program.FD())
				t.must("unpin", program.Unpin())
				t.closeNow(program)
				t.check("unpinned, gone", true, t.gone(programs, id))
			},
		},
		{
			ID:     "pinned-map-stays",
			Text:   "A map that is pinned stays, with what is in it, until it is unpinned.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(t *T) {
				path := filepath.Join(t.mount("bpf"), "map")
				m := t.plainMap()
				id := t.id(maps, m.FD())
				t.must("write map", m.Put(uint32(0), uint64(4711)))
				t.must("pin", m.Pin(path))
				t.closeNow(m)
				t.check("pinned, there", true, t.stays(maps, id))
				m, err := ebpf.LoadPinnedMap(path, nil)
				t.must("open pinned map", err)
				t.check("value", 4711, t.read(m))
				t.closeNow(m)
				t.must("unpin", os.Remove(path))
				t.check("unpinned, gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "pins-go-with-file-system",
			Text:   "Pins are gone with the mount of their file system: it is memory.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_free_inode()"),
			run: func(t *T) {
				dir, err := os.MkdirTemp("", "ringtwin-facts-")
				t.must("make directory", err)
				t.after(func() error { return os.Remove(dir) })
				if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
					t.cannot("cannot mount bpf: %s", errnoOf(err))
				}
				m := t.plainMap()
				id := t.id(maps, m.FD())
				err = m.Pin(filepath.Join(dir, "map"))
				t.closeNow(m)
				there := t.stays(maps, id)
				t.must("unmount", unix.Unmount(dir, 0))
				t.must("pin", err)
				t.check("pinned, there", true, there)
				t.check("unmounted, gone", true, t.gone(maps, id))
			},
		},
		{
			ID:     "pins-go-with-boot",
			Text:   "Pins are gone after a reboot.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_get_tree()"),
			run: func(t *T) {
				m := t.plainMap()
				t.must("pin", m.Pin(bootPin))
				t.closeNow(m)
				_, err := os.Stat(bootPin)
				t.check("before, the pin", nil, err)
			},
			next: func(t *T) {
				var fs unix.Statfs_t
				t.must("look for bpffs", unix.Statfs(filepath.Dir(bootPin), &fs))
				t.check("after, a bpffs", true, fs.Type == unix.BPF_FS_MAGIC)
				_, err := os.Stat(bootPin)
				t.check("the pin", unix.ENOENT, err)
			},
		},
	}
}

// bootPin is the directory for pins in a VM: guests mount bpffs there.
const bootPin = "/sys/fs/bpf/ringtwin-facts"
