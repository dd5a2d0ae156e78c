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
	// Policy of a perf buffer; that of a ring buffer is the program's.
	Policy vocab.Policy
	// Flush is the interval after which Read checks the rings without a wakeup; 0: never.
	Flush time.Duration
}

// readers open what drains the rings of each family.
var readers = map[*vocab.Family]func(*ebpf.Map, Options) (Reader, error){
	vocab.PerfRings: openPerf,
	vocab.BPFRings:  openRingbuf,
}

// Open returns a reader of a twin's events.
func Open(kind vocab.Transport, events *ebpf.Map, opts Options) (Reader, error) {
	if err := vocab.CheckRingBytes(opts.RingBytes, os.Getpagesize()); err != nil {
		return nil, err
	}
	if open := readers[kind.Spec().Family]; open != nil {
		return open(events, opts)
	}
	return nil, fmt.Errorf("transport %q: want one of %s", kind, vocab.Join(vocab.Transports()))
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
