// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// A lower bound is the least that a consumer can do: a loop over the mapping that
// looks at each event's first bytes and moves the position on, once a batch.
type lowerBound interface {
	// drain calls see for each event that is there, and returns their number.
	drain(see func(raw []byte)) int
	Close() error
}

// wait sleeps until one of the descriptors is ready, or 10 ms.
func waitFor(epoll int) {
	var events [8]unix.EpollEvent
	_, _ = unix.EpollWait(epoll, events[:], 10)
}

func word(mem []byte, at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&mem[at])) }

// ringLoop reads a BPF ring buffer.
type ringLoop struct {
	consumer, data []byte // data: the producer's page, and the ring twice
	mask           uint64
}

func newRingLoop(tb testing.TB, events *ebpf.Map) *ringLoop {
	tb.Helper()
	page, size := os.Getpagesize(), int(events.MaxEntries())
	consumer, err := unix.Mmap(events.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := unix.Mmap(events.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		tb.Fatal(errors.Join(err, unix.Munmap(consumer)))
	}
	return &ringLoop{consumer, data, uint64(size - 1)}
}

func (l *ringLoop) drain(see func([]byte)) (n int) {
	const busy, discard, header = 1 << 31, 1 << 30, 8
	page := uint64(os.Getpagesize())
	at, end := *word(l.consumer, 0), atomic.LoadUint64(word(l.data, 0))
	for at < end {
		head := l.data[page+at&l.mask:]
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&head[0])))
		if length&busy != 0 {
			break
		}
		if length&discard == 0 {
			see(head[header : header+length])
			n++
		}
		at += uint64(vocab.Ringbuf.FootprintBytes(int(length &^ uint32(discard))))
	}
	atomic.StoreUint64(word(l.consumer, 0), at)
	return n
}

func (l *ringLoop) Close() error {
	return errors.Join(unix.Munmap(l.consumer), unix.Munmap(l.data))
}

// perfLoop reads the perf rings of all CPUs.
type perfLoop struct {
	fds  []int
	mems [][]byte // a page of struct perf_event_mmap_page, and the ring
}

func newPerfLoop(tb testing.TB, events *ebpf.Map, ringBytes int, wakeupEvents uint32) *perfLoop {
	tb.Helper()
	l := &perfLoop{}
	tb.Cleanup(func() { _ = l.Close() })
	for cpu := range events.MaxEntries() {
		fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{
			Type:        unix.PERF_TYPE_SOFTWARE,
			Config:      unix.PERF_COUNT_SW_BPF_OUTPUT,
			Sample_type: unix.PERF_SAMPLE_RAW,
			Wakeup:      wakeupEvents,
		}, -1, int(cpu), -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			tb.Fatal(err)
		}
		l.fds = append(l.fds, fd)
		mem, err := unix.Mmap(fd, 0, os.Getpagesize()+ringBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			tb.Fatal(err)
		}
		l.mems = append(l.mems, mem)
		if err := events.Put(cpu, uint32(fd)); err != nil {
			tb.Fatal(err)
		}
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}

func (l *perfLoop) drain(see func([]byte)) (n int) {
	for _, mem := range l.mems {
		n += drainPerf(mem, see)
	}
	return n
}

func drainPerf(mem []byte, see func([]byte)) (n int) {
	const header, length = 8, 4 // struct perf_event_header, and the u32 in front of a sample
	meta := (*unix.PerfEventMmapPage)(unsafe.Pointer(&mem[0]))
	ring := mem[os.Getpagesize():]
	mask := uint64(len(ring) - 1)
	at, end := meta.Data_tail, atomic.LoadUint64(&meta.Data_head)
	var joined []byte // an event over the ring's end
	for at < end {
		offset := at & mask
		head := ring[offset:]
		kind := *(*uint32)(unsafe.Pointer(&head[0]))
		size := uint64(*(*uint16)(unsafe.Pointer(&head[6])))
		if kind == unix.PERF_RECORD_SAMPLE {
			if size > uint64(len(head)) {
				joined = append(append(joined[:0], head...), ring[:size-uint64(len(head))]...)
				head = joined
			}
			see(head[header+length : size])
			n++
		}
		at += size
	}
	atomic.StoreUint64(&meta.Data_tail, at)
	return n
}

func (l *perfLoop) Close() error {
	var errs []error
	for _, mem := range l.mems {
		errs = append(errs, unix.Munmap(mem))
	}
	for _, fd := range l.fds {
		errs = append(errs, unix.Close(fd))
	}
	l.mems, l.fds = nil, nil
	return errors.Join(errs...)
}
