package facts

import (
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// pins are statements about what is pinned to a file system of type bpf.
func pins() []Statement {
	return []Statement{
		{
			ID:     "pinned-program-stays",
			Text:   "A program that is pinned stays without a descriptor, until it is unpinned.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(l *lab) {
				path := filepath.Join(l.mount("bpf"), "program")
				program := l.counting(byRawTracepoint, l.scratch(8))
				id := l.id(programs, program.FD())
				l.must("pin", program.Pin(path))
				l.closeNow(program)
				l.check("pinned, there", true, l.stays(programs, id))
				l.must("unpin", os.Remove(path))
				l.check("unpinned, gone", true, l.gone(programs, id))
			},
		},
		{
			ID:     "pinned-program-survives-loader",
			Text:   "A pinned program survives the process that loaded it.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(l *lab) {
				dir := l.mount("bpf")
				child := l.loader(loaderJob{Attach: byRawTracepoint.name, Dir: dir, PinProgram: true})
				child.end()
				program, err := ebpf.LoadPinnedProgram(filepath.Join(dir, "program"), nil)
				l.must("open pinned program", err)
				l.check("loader gone, program there", true, l.alive(programs, l.id(programs, program.FD())))
				id := l.id(programs, program.FD())
				l.must("unpin", program.Unpin())
				l.closeNow(program)
				l.check("unpinned, gone", true, l.gone(programs, id))
			},
		},
		{
			ID:     "pinned-map-stays",
			Text:   "A map that is pinned stays, with what is in it, until it is unpinned.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_obj_pin_user()"),
			run: func(l *lab) {
				path := filepath.Join(l.mount("bpf"), "map")
				m := l.plainMap()
				id := l.id(maps, m.FD())
				l.must("write map", m.Put(uint32(0), uint64(4711)))
				l.must("pin", m.Pin(path))
				l.closeNow(m)
				l.check("pinned, there", true, l.stays(maps, id))
				m, err := ebpf.LoadPinnedMap(path, nil)
				l.must("open pinned map", err)
				l.check("value", 4711, l.read(m))
				l.closeNow(m)
				l.must("unpin", os.Remove(path))
				l.check("unpinned, gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "pins-go-with-file-system",
			Text:   "Pins are gone with the mount of their file system: it is memory.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_free_inode()"),
			run: func(l *lab) {
				dir, err := os.MkdirTemp("", "ringtwin-facts-")
				l.must("make folder", err)
				l.after(func() error { return os.Remove(dir) })
				if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
					l.cannot("cannot mount bpf: %s", errnoOf(err))
				}
				m := l.plainMap()
				id := l.id(maps, m.FD())
				err = m.Pin(filepath.Join(dir, "map"))
				l.closeNow(m)
				there := l.stays(maps, id)
				l.must("unmount", unix.Unmount(dir, 0))
				l.must("pin", err)
				l.check("pinned, there", true, there)
				l.check("unmounted, gone", true, l.gone(maps, id))
			},
		},
		{
			ID:     "pins-go-with-boot",
			Text:   "Pins are gone after a reboot.",
			Source: elixir("6.12", "kernel/bpf/inode.c", "bpf_get_tree()"),
			run: func(l *lab) {
				m := l.plainMap()
				l.must("pin", m.Pin(bootPin))
				l.closeNow(m)
				_, err := os.Stat(bootPin)
				l.check("before, the pin", nil, err)
			},
			next: func(l *lab) {
				var fs unix.Statfs_t
				l.must("look for bpffs", unix.Statfs(filepath.Dir(bootPin), &fs))
				l.check("after, a bpffs", true, fs.Type == unix.BPF_FS_MAGIC)
				_, err := os.Stat(bootPin)
				l.check("the pin", unix.ENOENT, err)
			},
		},
	}
}

// bootPin is where something is pinned in a machine: guests mount bpffs there.
const bootPin = "/sys/fs/bpf/ringtwin-facts"
