// SPDX-License-Identifier: MIT

package trace

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/ringtwin/ringtwin/bpf/mapdump"
)

// kind is what a descriptor stands for.
type kind int

const (
	aMap kind = iota
	aProgram
	aBTF
	aLink
	anEvent // of perf_event_open
	anEpoll
	anEventfd
	aFile
	aBPF // any object of bpf(2) that its call does not tell
)

// object is what descriptors stand for. It lives as long as one is open, or it is
// used by another that lives.
type object struct {
	kind kind
	name string
	open int // descriptors

	live bool // see decoder.sequence

	// Of a map. Of one that was not seen being made all is 0.
	mapType            ebpf.MapType
	keyBytes, valBytes uint32
	btf                *object
	keyID, valueID     btf.TypeID

	// Of BTF, what the kernel was given, and the first object that it is of.
	raw []byte
	of  *object

	// Of an epoll instance: it waits for events of the kernel.
	forEvents bool
}

// String names the object: it is the same in each run.
func (o *object) String() string {
	name := o.name
	if o.kind == aBTF && o.of != nil {
		name = "BTF of " + o.of.name
	}
	return "<" + name + ">"
}

// hasEvents reports whether one can map it, or wait for it, to get events.
func (o *object) hasEvents() bool { return o.kind == aMap || o.kind == anEvent }

// known reports whether it was seen being made, so its sizes are known.
func (o *object) known() bool { return o != nil && o.kind == aMap && o.keyBytes+o.valBytes > 0 }

// perCPU reports whether a value has a part for each possible CPU.
func (o *object) perCPU() bool {
	switch o.mapType {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
		return true
	}
	return false
}

// text is raw by its type, where the map has one, and a number or bytes elsewhere.
func (o *object) text(id btf.TypeID, raw []byte) (string, error) {
	if o.btf == nil || id == 0 {
		return untyped(raw), nil
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(o.btf.raw))
	if err != nil {
		return "", fmt.Errorf("read %v: %w", o.btf, err)
	}
	t, err := spec.TypeByID(id)
	if err != nil {
		return "", fmt.Errorf("find type %d in %v: %w", id, o.btf, err)
	}
	return mapdump.Value(t, raw)
}

// untyped shows bytes that nothing is known of, up to 32 of them.
func untyped(raw []byte) string {
	const most = 32
	switch {
	case len(raw) == 4:
		return fmt.Sprint(hostUint32(raw))
	case len(raw) > most:
		return fmt.Sprintf("%x... (%d bytes)", raw[:most], len(raw))
	}
	return fmt.Sprintf("%x", raw)
}
