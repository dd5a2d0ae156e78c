// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// defaultRingBytes is the size of a ring unless another is requested.
const defaultRingBytes = 256 << 10

// flagOverwrite is BPF_F_RB_OVERWRITE, since 6.19.
const flagOverwrite = 1 << 19

// flushProgram is the program that sends what waits on a CPU.
const flushProgram = "flush"

// ArrayRing is struct array_ring of event.h, without its data.
type ArrayRing struct {
	Produced uint64
	Pad1     [7]uint64
	Consumed uint64
	Pad2     [7]uint64
}

// ArrayHeaderBytes is where the data of a polled array's ring begin.
const ArrayHeaderBytes = int(unsafe.Sizeof(ArrayRing{}))

// ArrayStride is the distance of the rings of two CPUs in a polled array: a ring has room
// for an event behind its end.
func ArrayStride(ringBytes, eventBytes int) int {
	return ArrayHeaderBytes + ringBytes + (max(eventBytes, vocab.EventBytes)+8+7)&^7
}

// supported returns an error that wraps [ErrUnsupported] where the kernel lacks what the
// transport needs.
func supported(transport vocab.Transport) error {
	spec := transport.Spec()
	var err error
	switch spec.Family {
	case vocab.DynptrRings:
		err = features.HaveProgramHelper(ebpf.TracePoint, asm.FnRingbufReserveDynptr)
	case vocab.RingRecorders:
		var m *ebpf.Map
		m, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize()), Flags: flagOverwrite})
		if err == nil {
			return m.Close()
		}
		if !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("make ring buffer: %w", err)
		}
		err = ebpf.ErrNotSupported
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("%w: %s is there since Linux %s", ErrUnsupported, spec.Title, spec.Since)
	}
	return err
}

// sizeMaps sets the sizes of the maps that depend on the options and the CPUs.
func sizeMaps(cs *ebpf.CollectionSpec, opts *Options, cpus int) {
	if opts.RingBytes == 0 {
		opts.RingBytes = defaultRingBytes
	}
	if scratch := cs.Maps["scratch"]; scratch != nil {
		scratch.MaxEntries = uint32(cpus)
		scratch.ValueSize = uint32(max(opts.EventBytes, vocab.EventBytes)+7) &^ 7
	}
	if stages := cs.Maps["stages"]; stages != nil {
		stages.MaxEntries = uint32(cpus)
	}
	switch events := cs.Maps["events"]; events.Type {
	case ebpf.RingBuf:
		events.MaxEntries = uint32(opts.RingBytes)
		if opts.Transport.Is(vocab.RingRecorders) {
			events.Flags |= flagOverwrite
		}
	case ebpf.ArrayOfMaps:
		events.MaxEntries = uint32(opts.Shards.Rings(cpus))
		events.InnerMap.MaxEntries = uint32(opts.RingBytes)
	case ebpf.Array:
		events.MaxEntries = uint32(cpus)
		events.ValueSize = uint32(ArrayStride(opts.RingBytes, opts.EventBytes))
	}
}

// makeShards puts a ring into each slot of an array of rings.
func (t *Twin) makeShards(events *ebpf.MapSpec) error {
	if events.Type != ebpf.ArrayOfMaps {
		return nil
	}
	outer := t.collection.Maps["events"]
	for shard := range outer.MaxEntries() {
		ring, err := ebpf.NewMap(events.InnerMap)
		if err != nil {
			return fmt.Errorf("make ring of shard %d: %w", shard, err)
		}
		t.rings = append(t.rings, ring)
		if err := outer.Put(shard, ring); err != nil {
			return fmt.Errorf("put ring of shard %d: %w", shard, err)
		}
	}
	return nil
}

// Rings are the maps that the twin writes to, and a reader reads: ring buffers, or one perf
// event array, array, or hash.
func (t *Twin) Rings() []*ebpf.Map {
	if t.rings != nil {
		return t.rings
	}
	return []*ebpf.Map{t.collection.Maps["events"]}
}

// Flush makes the twin send what waits on the CPUs of the list. No program of the twin may
// run meanwhile.
func (t *Twin) Flush(cpus []int) error {
	program := t.collection.Programs[flushProgram]
	if program == nil {
		return nil
	}
	for _, cpu := range cpus {
		_, err := program.Run(&ebpf.RunOptions{CPU: uint32(cpu), Flags: unix.BPF_F_TEST_RUN_ON_CPU})
		if err != nil {
			return fmt.Errorf("send what waits on CPU %d: %w", cpu, err)
		}
	}
	return nil
}
