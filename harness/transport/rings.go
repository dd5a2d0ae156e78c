// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// ring is one mapped ring, as a raw reader drains it: begin, then next until it returns
// false, then end.
type ring interface {
	// begin notes how far the producer is, and reports whether there is anything.
	begin() bool
	// next returns the next sample of what begin saw. The sample is in the ring.
	next(*Sample) bool
	// count skips all that begin saw, and counts it.
	count() (n Total)
	// end gives the space of what was read back to the producer.
	end()
	positions() (producer, consumer uint64)
	// fd is the descriptor that becomes readable; -1: none does.
	fd() int
	close() error
}

// Total is how many events were read, without a look at them.
type Total struct {
	Events int
	Bytes  int    // of the samples
	Lost   uint64 // that the kernel reported
}

// word is a position in a mapping.
func word(mem []byte, at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&mem[at])) }

// Bits of a record's length, and the size of its header, in a BPF ring buffer.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
const (
	busyBit     = 1 << 31
	discardBit  = 1 << 30
	headerBytes = 8
)

// bpfRing is a BPF ring buffer.
type bpfRing struct {
	events         *ebpf.Map
	consumer, data []byte // data: the producer's page, and the ring twice
	ring           []byte // of data
	mask, at, upTo uint64
	published      uint64 // the position that the producer sees
	readOnly       bool   // it sees none
}

// publishBytes is after how many bytes a reader publishes its position within a batch. A
// program that wakes by the bytes that wait sees them until then, and would wake a
// reader that is awake.
const publishBytes = 4 << 10

func openBPFRing(events *ebpf.Map, access int) (*bpfRing, error) {
	page, size := os.Getpagesize(), int(events.MaxEntries())
	consumer, err := unix.Mmap(events.FD(), 0, page, access, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring buffer's position: %w", err)
	}
	data, err := unix.Mmap(events.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the ring buffer: %w", err), unix.Munmap(consumer))
	}
	return &bpfRing{events: events, consumer: consumer, data: data, ring: data[page:], mask: uint64(size - 1), at: *word(consumer, 0), published: *word(consumer, 0), readOnly: access&unix.PROT_WRITE == 0}, nil
}

func (r *bpfRing) begin() bool {
	r.upTo = atomic.LoadUint64(word(r.data, 0))
	return r.at < r.upTo
}

func (r *bpfRing) next(s *Sample) bool {
	if r.at-r.published >= publishBytes && !r.readOnly {
		r.end()
	}
	for r.at < r.upTo {
		head := r.ring[r.at&r.mask:]
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&head[0])))
		if length&busyBit != 0 {
			return false
		}
		bytes := length &^ discardBit
		r.at += uint64(bytes+headerBytes+7) &^ 7
		if length&discardBit == 0 {
			s.Raw, s.Lost = head[headerBytes:headerBytes+bytes], 0
			return true
		}
	}
	return false
}

func (r *bpfRing) count() (n Total) {
	at, upTo, ring, mask := r.at, r.upTo, unsafe.Pointer(&r.ring[0]), r.mask
	for at < upTo {
		length := atomic.LoadUint32((*uint32)(unsafe.Add(ring, at&mask)))
		if length&busyBit != 0 {
			break
		}
		bytes := length &^ discardBit
		at += uint64(bytes+headerBytes+7) &^ 7
		if length&discardBit == 0 {
			n.Events++
			n.Bytes += int(bytes)
		}
		if at-r.published >= publishBytes && !r.readOnly {
			r.at = at
			r.end()
		}
	}
	r.at = at
	return n
}

func (r *bpfRing) end() {
	atomic.StoreUint64(word(r.consumer, 0), r.at)
	r.published = r.at
}

func (r *bpfRing) positions() (producer, consumer uint64) {
	return atomic.LoadUint64(word(r.data, 0)), atomic.LoadUint64(word(r.consumer, 0))
}

func (r *bpfRing) fd() int { return r.events.FD() }

func (r *bpfRing) close() error {
	return errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.data))
}

// perfRing is the perf ring of a CPU. Its pages are a struct perf_event_mmap_page, and the
// data.
type perfRing struct {
	cpu      int
	event    int
	mem      []byte
	meta     *unix.PerfEventMmapPage
	data     []byte
	at, upTo uint64
	joined   []byte // a record over the ring's end
}

// Sizes in a perf ring: struct perf_event_header, and the u32 in front of a raw sample.
const (
	perfHeaderBytes = 8
	perfSizeBytes   = 4
)

// openPerfRing opens the ring of a CPU. The error wraps [unix.ENODEV] if it is offline.
func openPerfRing(cpu, ringBytes int, attr unix.PerfEventAttr, access int) (*perfRing, error) {
	attr.Type, attr.Config = unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_BPF_OUTPUT
	attr.Size, attr.Sample_type = uint32(unsafe.Sizeof(attr)), unix.PERF_SAMPLE_RAW
	event, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open the perf ring of CPU %d: %w", cpu, err)
	}
	mem, err := unix.Mmap(event, 0, os.Getpagesize()+ringBytes, access, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the perf ring of CPU %d: %w", cpu, err), unix.Close(event))
	}
	r := &perfRing{cpu: cpu, event: event, mem: mem, meta: (*unix.PerfEventMmapPage)(unsafe.Pointer(&mem[0])), data: mem[os.Getpagesize():]}
	return r, nil
}

// enable makes the ring that of its CPU.
func (r *perfRing) enable(events *ebpf.Map) error {
	if err := events.Put(uint32(r.cpu), uint32(r.event)); err != nil {
		return fmt.Errorf("set the perf ring of CPU %d: %w", r.cpu, err)
	}
	if err := unix.IoctlSetInt(r.event, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return fmt.Errorf("enable the perf ring of CPU %d: %w", r.cpu, err)
	}
	return nil
}

func (r *perfRing) begin() bool {
	r.upTo = atomic.LoadUint64(&r.meta.Data_head)
	return r.at < r.upTo
}

// record is the record at the position, whose header is never over the ring's end: its
// size is a multiple of eight bytes.
func (r *perfRing) record(at uint64) (kind uint32, size uint64) {
	head := unsafe.Pointer(&r.data[at&uint64(len(r.data)-1)])
	return *(*uint32)(head), uint64(*(*uint16)(unsafe.Add(head, 6)))
}

// bytes are those of the record at the position, in one piece.
func (r *perfRing) bytes(at, size uint64) []byte {
	from := at & uint64(len(r.data)-1)
	if from+size <= uint64(len(r.data)) {
		return r.data[from : from+size]
	}
	r.joined = append(append(r.joined[:0], r.data[from:]...), r.data[:from+size-uint64(len(r.data))]...)
	return r.joined
}

func (r *perfRing) next(s *Sample) bool {
	for r.at < r.upTo {
		kind, size := r.record(r.at)
		raw := r.bytes(r.at, size)
		r.at += size
		switch kind {
		case unix.PERF_RECORD_SAMPLE:
			s.Raw, s.Lost, s.CPU = raw[perfHeaderBytes+perfSizeBytes:], 0, r.cpu
			return true
		case unix.PERF_RECORD_LOST:
			s.Raw, s.Lost, s.CPU = nil, *word(raw, perfHeaderBytes+8), r.cpu
			return true
		}
	}
	return false
}

func (r *perfRing) count() (n Total) {
	for r.at < r.upTo {
		kind, size := r.record(r.at)
		switch kind {
		case unix.PERF_RECORD_SAMPLE:
			n.Events++
			n.Bytes += int(size) - perfHeaderBytes - perfSizeBytes
		case unix.PERF_RECORD_LOST:
			n.Lost += *word(r.bytes(r.at, size), perfHeaderBytes+8)
		}
		r.at += size
	}
	return n
}

func (r *perfRing) end() { atomic.StoreUint64(&r.meta.Data_tail, r.at) }

func (r *perfRing) positions() (producer, consumer uint64) {
	return atomic.LoadUint64(&r.meta.Data_head), r.at
}

func (r *perfRing) fd() int { return r.event }

func (r *perfRing) close() error { return errors.Join(unix.Munmap(r.mem), unix.Close(r.event)) }

// arrayRing is the ring of a CPU in an array that is mapped.
type arrayRing struct {
	cpu            int
	head           *bpf.ArrayRing
	data           []byte
	mask, at, upTo uint64
}

// openArrayRings maps the array, and returns the ring of each CPU.
func openArrayRings(events *ebpf.Map, opts Options) (rings []ring, unmap func() error, err error) {
	stride := (int(events.ValueSize()) + 7) &^ 7
	page := os.Getpagesize()
	length := (stride*int(events.MaxEntries()) + page - 1) &^ (page - 1)
	mem, err := unix.Mmap(events.FD(), 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map the array: %w", err)
	}
	for cpu := range int(events.MaxEntries()) {
		value := mem[cpu*stride : (cpu+1)*stride]
		rings = append(rings, &arrayRing{
			cpu: cpu, head: (*bpf.ArrayRing)(unsafe.Pointer(&value[0])),
			data: value[bpf.ArrayHeaderBytes:], mask: uint64(opts.RingBytes - 1),
		})
	}
	return rings, func() error { return unix.Munmap(mem) }, nil
}

func (r *arrayRing) begin() bool {
	r.upTo = atomic.LoadUint64(&r.head.Produced)
	return r.at < r.upTo
}

func (r *arrayRing) next(s *Sample) bool {
	if r.at >= r.upTo {
		return false
	}
	record := r.data[r.at&r.mask:]
	bytes := *word(record, 0)
	s.Raw, s.Lost, s.CPU = record[headerBytes:headerBytes+bytes], 0, r.cpu
	r.at += (bytes + headerBytes + 7) &^ 7
	return true
}

func (r *arrayRing) count() (n Total) {
	for r.at < r.upTo {
		bytes := *word(r.data, r.at&r.mask)
		n.Events++
		n.Bytes += int(bytes)
		r.at += (bytes + headerBytes + 7) &^ 7
	}
	return n
}

func (r *arrayRing) end() { atomic.StoreUint64(&r.head.Consumed, r.at) }

func (r *arrayRing) positions() (producer, consumer uint64) {
	return atomic.LoadUint64(&r.head.Produced), atomic.LoadUint64(&r.head.Consumed)
}

func (r *arrayRing) fd() int { return -1 }

func (r *arrayRing) close() error { return nil }

// lockedBytes is the memory that the rings of a family lock: data pages, once, and the
// pages of positions.
func lockedBytes(f *vocab.Family, rings, ringBytes int) int64 {
	positions := 0
	switch {
	case f.Totals:
		return 0
	case f == vocab.ArrayRings:
		return 0 // the array is the map itself
	case f.PerCPU:
		positions = 1 // struct perf_event_mmap_page
	default:
		positions = 3 // struct bpf_ringbuf, the consumer's and the producer's: RINGBUF_NR_META_PAGES
	}
	return int64(rings * (ringBytes + positions*os.Getpagesize()))
}
