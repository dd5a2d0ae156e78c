// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// kind is a kind of object that has ids.
type kind struct {
	name        string
	getFD, next int // commands of bpf(2)
	idOffset    int // of the id in the kind's info
}

var (
	programs = kind{"program", progGetFD, progGetNextID, 4}
	maps     = kind{"map", mapGetFD, mapGetNextID, 4}
	btfs     = kind{"BTF", btfGetFD, btfGetNextID, 12}
	links    = kind{"link", linkGetFD, linkGetNextID, 4}
)

// id is that of an object with a descriptor.
func (t *T) id(of kind, fd int) uint32 { return t.infoWord(fd, of.idOffset) }

// infoWord is the word of an object's info at an offset.
func (t *T) infoWord(fd, offset int) uint32 {
	info := make([]byte, 256)
	t.info(fd, info)
	return binary.NativeEndian.Uint32(info[offset:])
}

// alive reports whether the kernel has an object with this id.
func (t *T) alive(of kind, id uint32) bool {
	fd, err := bpfCall(of.getFD, &idAttr{ID: id})
	if errors.Is(err, unix.ENOENT) {
		return false
	}
	t.must("look for "+of.name, err)
	t.must("close", unix.Close(fd))
	return true
}

// gone waits until there is no such object.
func (t *T) gone(of kind, id uint32) bool {
	return t.eventually(func() bool { return !t.alive(of, id) })
}

// ids lists those of all objects of a kind.
func (t *T) ids(of kind) map[uint32]bool {
	all := map[uint32]bool{}
	for id := uint32(0); ; {
		attr := idAttr{ID: id}
		_, err := bpfCall(of.next, &attr)
		if errors.Is(err, unix.ENOENT) {
			return all
		}
		t.must("list ids", err)
		id = attr.NextID
		all[id] = true
	}
}

// closeNow closes something before the end of the experiment.
func (t *T) closeNow(c io.Closer) { t.must("close", c.Close()) }

// plainMap creates an array of one word, which is not closed after the experiment.
func (t *T) plainMap() *ebpf.Map {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "plain", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	t.must("make map", err)
	return m
}

// counting loads a program that counts the trigger's calls, which is not closed
// after the experiment.
func (t *T) counting(a attachment, counter *ebpf.Map) *ebpf.Program {
	p, err := a.counting(counter)
	t.must("load program", err)
	return p
}

// counts reports whether a program that is attached somewhere counts the trigger's
// calls in this map.
func (t *T) counts(counter *ebpf.Map) bool {
	before := t.read(counter)
	for range 3 {
		trigger()
	}
	return t.read(counter) > before
}
