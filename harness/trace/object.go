// SPDX-License-Identifier: MIT

package trace

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/ringtwin/ringtwin/bpf/mapdump"
)

// kind is the kind of object of a descriptor.
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
	aBPF // any object of bpf(2) whose call does not show its kind
)

// object is the object of descriptors. It lives as long as one is open, or another live
// object uses it.
type object struct {
	kind kind
	name string
	open int // descriptors

	live bool // see decoder.sequence

	// Of a map. All are 0 if its creation was not seen.
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

// hasEvents reports whether it can be mapped, or waited for, to get events.
func (o *object) hasEvents() bool { return o.kind == aMap || o.kind == anEvent }

// known reports whether its creation was seen, so its sizes are known.
func (o *object) known() bool { return o != nil && o.kind == aMap && o.keyBytes+o.valBytes > 0 }

// perCPU reports whether a value has a part for each possible CPU.
func (o *object) perCPU() bool {
	switch o.mapType {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
		return true
	}
	return false
}

// text formats raw by its type, if the map has one, or else as a number or bytes.
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

// untyped formats bytes of unknown type, up to 32 of them.
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
