// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// recorder reads flight recorders, once it is told to.
type recorder struct {
	*rawReader
}

// perfRecorder is the ring of a CPU that is written backwards: the newest record is at the
// head, and the oldest ones are overwritten.
type perfRecorder struct {
	*perfRing
	found []backward
	taken bool
}

// backward is a record of a ring that is written backwards.
type backward struct{ at, size uint64 }

// begin stops the ring, and finds its records, once.
//
// perf_output_begin_backward() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
func (r *perfRecorder) begin() bool {
	if r.taken {
		return false
	}
	r.taken = true
	if unix.IoctlSetInt(r.event, unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1) != nil {
		return false
	}
	// The head falls from 0. Behind the oldest record there are zeros, or the rest of one
	// that is overwritten in part.
	head := r.meta.Data_head
	for at := head; at != 0; {
		kind, size := r.record(at)
		if size == 0 || at+size-head > uint64(len(r.data)) {
			break
		}
		if kind == unix.PERF_RECORD_SAMPLE {
			r.found = append(r.found, backward{at, size})
		}
		at += size
	}
	slices.Reverse(r.found)
	return len(r.found) > 0
}

func (r *perfRecorder) next(s *Sample) bool {
	if len(r.found) == 0 {
		return false
	}
	at := r.found[0]
	r.found = r.found[1:]
	s.Raw, s.Lost, s.CPU = r.bytes(at.at, at.size)[perfHeaderBytes+perfSizeBytes:], 0, r.cpu
	return true
}

func (r *perfRecorder) count() (n Total) {
	for _, at := range r.found {
		n.Events++
		n.Bytes += int(at.size) - perfHeaderBytes - perfSizeBytes
	}
	r.found = nil
	return n
}

func (r *perfRecorder) end() {}

func (r *perfRecorder) positions() (producer, consumer uint64) { return 0, 0 }

func (r *perfRecorder) fd() int { return -1 }

// ringRecorder is a ring buffer that overwrites: its oldest record is at a position that
// the producer's page shows behind the producer's own.
//
// struct bpf_ringbuf in https://elixir.bootlin.com/linux/v6.19/source/kernel/bpf/ringbuf.c
type ringRecorder struct {
	*bpfRing
	taken bool
}

// overwritePosition is where the producer's page holds the position of the oldest record.
const overwritePosition = 16

func (r *ringRecorder) begin() bool {
	if r.taken {
		return false
	}
	r.taken = true
	r.at = *word(r.data, overwritePosition)
	r.upTo = *word(r.data, 0)
	return r.at < r.upTo
}

// end leaves the reader's position alone: such a ring does not look at it.
func (r *ringRecorder) end() {}

func (r *ringRecorder) fd() int { return -1 }

// openPerfRecorder opens the rings of all CPUs that are online.
func openPerfRecorder(maps []*ebpf.Map, opts Options) (Reader, error) {
	var rings []ring
	events := maps[0]
	for cpu := range int(events.MaxEntries()) {
		attr := perfAttr(opts.Policy, opts.RingBytes)
		attr.Bits |= unix.PerfBitWriteBackward
		one, err := openPerfRing(cpu, opts.RingBytes, attr, unix.PROT_READ)
		if errors.Is(err, unix.ENODEV) {
			continue
		}
		if err == nil {
			rings = append(rings, &perfRecorder{perfRing: one})
			err = one.enable(events)
		}
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.close())
			}
			return nil, err
		}
	}
	return newRecorder(rings, opts, Memory{MapBytes: int64(8 * events.MaxEntries()), LockedBytes: lockedBytes(vocab.PerfRecorders, len(rings), opts.RingBytes)})
}

func openRingRecorder(maps []*ebpf.Map, opts Options) (Reader, error) {
	one, err := openBPFRing(maps[0], unix.PROT_READ)
	if err != nil {
		return nil, err
	}
	return newRecorder([]ring{&ringRecorder{bpfRing: one}}, opts, Memory{LockedBytes: lockedBytes(vocab.RingRecorders, 1, opts.RingBytes)})
}

// newRecorder returns a reader that looks only once it has been told to.
func newRecorder(rings []ring, opts Options, memory Memory) (Reader, error) {
	r, err := newRaw(rings, opts)
	if err != nil {
		return nil, err
	}
	r.memory = memory
	r.onFlush = true
	return &recorder{r}, nil
}

// State is nothing: what a flight recorder holds stays there.
func (r *recorder) State() (State, error) { return State{}, nil }
