// SPDX-License-Identifier: MIT

// Package transport gives the perf buffer and the BPF ring buffer one reader
// interface over cilium/ebpf, with the sizes and formulas that belong to each.
//
// It moves bytes: package bpf decodes events, and harness/trial counts them. A Reader is
// for one reading goroutine; Flush and Close may be called from another.
package transport

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// ErrFlushed is returned by Read when all that was in the rings at the time of
// [Reader.Flush] has been read.
var ErrFlushed = perf.ErrFlushed

// Sample is one record that came out of a transport. It is reused from call to
// call: Raw is valid until the next Read.
type Sample struct {
	// Raw is the event as the program wrote it; the perf buffer pads it to
	// [vocab.Transport.SampleBytes].
	Raw []byte
	// Lost is the content of a PERF_RECORD_LOST; Raw is then empty.
	Lost uint64
	// CPU is the CPU of the perf buffer's ring; 0 for a ring buffer.
	CPU int

	perf perf.Record
}

// State is the remaining content of a transport's rings after the last write.
type State struct {
	ResidualBytes uint64
	// ProducerBytes and ConsumerBytes are the positions of the BPF ring
	// buffer; the perf buffer leaves them at 0.
	ProducerBytes, ConsumerBytes uint64
}

// Memory is the memory of a transport, in bytes, whatever it is charged to.
type Memory struct {
	MapBytes    int64 // the map itself
	LockedBytes int64 // rings: data pages, once, and position pages
}

// Reader reads samples in the order in which the transport gives them.
type Reader interface {
	// Read waits for the next sample. It returns [ErrFlushed] once after each
	// Flush, and an error that wraps [os.ErrClosed] after Close.
	Read(*Sample) error
	// Flush makes Read return all that is in the rings without waiting.
	Flush() error
	// State may be called only while no one writes or reads.
	State() (State, error)
	Memory() Memory
	Close() error
}

// Options of [Open].
type Options struct {
	// RingBytes is the size of one ring: of the only one, or of each CPU's; it
	// must be a power of two of pages.
	RingBytes int
	// EventBytes is the size of an event: many of them are in a record of a batched ring.
	EventBytes int
	// Policy of a perf buffer; that of a ring buffer is the program's.
	Policy vocab.Policy
	// Flush is the interval after which Read checks the rings without a wakeup; 0: never.
	Flush time.Duration
	// Reader is what reads; empty: the transport's default.
	Reader vocab.Reader
	// Lone says that the reader is also the producer: nothing comes while it waits.
	Lone bool
	// Time returns the time stamp of a sample. It is required to merge rings.
	Time func(raw []byte) uint64
}

// opener opens what drains the rings in maps.
type opener func(maps []*ebpf.Map, opts Options) (Reader, error)

// readers open what drains the rings of each family in place.
var readers = map[*vocab.Family]opener{
	vocab.PerfRings:     openRawPerf,
	vocab.BPFRings:      openRawRings,
	vocab.ShardedRings:  openRawRings,
	vocab.BatchedRings:  openRawRings,
	vocab.DynptrRings:   openRawRings,
	vocab.ArrayRings:    openRawArray,
	vocab.PerfRecorders: openPerfRecorder,
	vocab.RingRecorders: openRingRecorder,
	vocab.Counters:      openCounters,
}

// Open returns a reader of a twin's rings.
func Open(kind vocab.Transport, maps []*ebpf.Map, opts Options) (Reader, error) {
	if err := vocab.CheckRingBytes(opts.RingBytes, os.Getpagesize()); err != nil {
		return nil, err
	}
	family := kind.Spec().Family
	open := readers[family]
	if open == nil {
		return nil, fmt.Errorf("transport %q: want one of %s", kind, vocab.Join(vocab.Transports()))
	}
	if err := kind.CheckReader(opts.Reader); err != nil {
		return nil, err
	}
	if opts.Reader == "" {
		opts.Reader = kind.DefaultReader()
	}
	switch {
	case opts.Reader == vocab.Cilium && family == vocab.PerfRings:
		open = openPerf
	case opts.Reader == vocab.Cilium:
		open = openRingbuf
	}
	reader, err := open(maps, opts)
	if err != nil {
		return nil, err
	}
	switch {
	case family.Stages:
		return &splitReader{Reader: reader, each: family.FootprintBytes(opts.EventBytes)}, nil
	case opts.Reader.Spec().Merges:
		return mergeOf(reader, opts.Time)
	}
	return reader, nil
}

// openRawRings drains one ring buffer or several.
func openRawRings(maps []*ebpf.Map, opts Options) (Reader, error) {
	var rings []ring
	for _, m := range maps {
		one, err := openBPFRing(m, unix.PROT_READ|unix.PROT_WRITE)
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.close())
			}
			return nil, err
		}
		rings = append(rings, one)
	}
	r, err := newRaw(rings, opts)
	if err != nil {
		return nil, err
	}
	r.memory = Memory{LockedBytes: lockedBytes(vocab.BPFRings, len(rings), opts.RingBytes)}
	r.pauses = !opts.Lone
	return r, nil
}

// openRawArray drains the rings in an array.
func openRawArray(maps []*ebpf.Map, opts Options) (Reader, error) {
	rings, unmap, err := openArrayRings(maps[0], opts)
	if err != nil {
		return nil, err
	}
	r, err := newRaw(rings, opts)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	r.cleanup = append(r.cleanup, unmap)
	r.memory = Memory{MapBytes: int64(maps[0].ValueSize()) * int64(maps[0].MaxEntries())}
	return r, nil
}

// splitReader reads records of many events, and returns them one by one.
type splitReader struct {
	Reader
	each   int // bytes of an event
	record Sample
	rest   []byte
}

// Read returns what is left of a record, and then of the next.
func (r *splitReader) Read(s *Sample) error {
	if len(r.rest) == 0 {
		if err := r.Reader.Read(&r.record); err != nil {
			return err
		}
		r.rest = r.record.Raw
	}
	n := min(r.each, len(r.rest))
	s.Raw, s.Lost, s.CPU = r.rest[:n], 0, r.record.CPU
	r.rest = r.rest[n:]
	return nil
}

// Count counts the events of all records that are there.
func (r *splitReader) Count() (Total, error) {
	n, err := CounterOf(r.Reader).Count()
	n.Events = n.Bytes / r.each
	return n, err
}

// CounterOf returns the reader, or one that reads each event to count it.
func CounterOf(r Reader) Counter {
	if c, ok := r.(Counter); ok {
		return c
	}
	return oneByOne{r}
}

type oneByOne struct{ Reader }

// Count reads an event.
func (r oneByOne) Count() (Total, error) {
	var s Sample
	if err := r.Read(&s); err != nil || s.Lost > 0 {
		return Total{Lost: s.Lost}, err
	}
	return Total{Events: 1, Bytes: len(s.Raw)}, nil
}

// deadlines makes a reader look at its rings at intervals.
type deadlines struct {
	flush time.Duration // 0: never
}

// again reports whether Read should continue after err: its deadline expired without a
// wakeup, and it has checked the rings. The next deadline is then set.
func (d deadlines) again(err error, set func(time.Time)) bool {
	if d.flush == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	set(time.Now().Add(d.flush))
	return true
}
