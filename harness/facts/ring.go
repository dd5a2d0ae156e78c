// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ring is a BPF ring buffer as user space sees it: two pages of positions, and the
// data, mapped twice in a row.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
type ring struct {
	*ebpf.Map
	t        *T
	size     int
	consumer []byte // the page that the reader writes to
	producer []byte // the producer's position
	data     []byte
	epoll    int
}

// Bits of a record's length.
const (
	busyBit    = 1 << 31 // BPF_RINGBUF_BUSY_BIT
	discardBit = 1 << 30 // BPF_RINGBUF_DISCARD_BIT
	headerSize = 8       // BPF_RINGBUF_HDR_SZ
)

// record is what the reader finds at its position.
type record struct {
	data      []byte
	length    int
	discarded bool
	busy      bool
}

// ring makes a ring buffer of so many bytes.
func (t *T) ring(size int, flags uint32) *ring {
	m, err := tryRing(size, flags)
	t.must("make ring buffer", err)
	t.after(m.Close)
	return t.mapRing(m, size)
}

// mapRing maps a ring buffer as its reader does.
func (t *T) mapRing(m *ebpf.Map, size int) *ring {
	r := &ring{Map: m, t: t, size: size, epoll: -1}
	r.consumer = t.mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE)
	rest := t.mmap(m.FD(), page, page+2*size, unix.PROT_READ)
	r.producer, r.data = rest[:page], rest[page:]
	return r
}

func tryRing(size int, flags uint32) (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(size), Flags: flags})
}

// mmap maps a part of a descriptor until the end of the experiment.
func (t *T) mmap(fd, offset, length, prot int) []byte {
	mem, err := unix.Mmap(fd, int64(offset), length, prot, unix.MAP_SHARED)
	t.must("map memory", err)
	t.after(func() error { return unix.Munmap(mem) })
	return mem
}

func word(mem []byte) *uint64 { return (*uint64)(unsafe.Pointer(&mem[0])) }

func (r *ring) consumed() uint64     { return atomic.LoadUint64(word(r.consumer)) }
func (r *ring) produced() uint64     { return atomic.LoadUint64(word(r.producer)) }
func (r *ring) consume(until uint64) { atomic.StoreUint64(word(r.consumer), until) }

// at is the record at a position, which must be below the producer's.
func (r *ring) at(position uint64) record {
	offset := int(position) & (r.size - 1)
	header := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[offset])))
	length := int(header &^ (busyBit | discardBit))
	return record{
		data:      r.data[offset+headerSize : offset+headerSize+length],
		length:    length,
		busy:      header&busyBit != 0,
		discarded: header&discardBit != 0,
	}
}

// read consumes all records up to the first that is busy, and returns those that
// were not discarded.
func (r *ring) read() []record {
	var all []record
	for r.consumed() < r.produced() {
		rec := r.at(r.consumed())
		if rec.busy {
			break
		}
		if !rec.discarded {
			rec.data = append([]byte(nil), rec.data...)
			all = append(all, rec)
		}
		r.consume(r.consumed() + uint64(ringFootprint(rec.length)))
	}
	return all
}

// numbers are the first words of records.
func numbers(records []record) []uint64 {
	var all []uint64
	for _, rec := range records {
		all = append(all, binary.NativeEndian.Uint64(rec.data))
	}
	return all
}

// ringFootprint is the number of bytes that a record takes in a ring buffer.
func ringFootprint(length int) int { return roundUp8(length + headerSize) }

func roundUp8(n int) int { return (n + 7) &^ 7 }

// wait makes a reader wait for the ring from now on, as in epoll_wait(2).
func (r *ring) wait() { r.epoll = r.t.epoll(r.FD()) }

// woken reports whether the reader was woken since the last time.
func (r *ring) woken() bool { return r.t.woken(r.epoll) }

// epoll is a set of one descriptor. After it is added, the kernel does not poll it for
// data: it is ready only after a wakeup. ep_poll() in
// https://elixir.bootlin.com/linux/v6.12/source/fs/eventpoll.c
func (t *T) epoll(fd int) int {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	t.must("make epoll", err)
	t.after(func() error { return unix.Close(set) })
	// Edge-triggered: with level triggering, a descriptor that was ready once is polled
	// again.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}
	t.must("add to epoll", unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &event))
	return set
}

// wakeMS is how long to wait for a wake-up, in milliseconds. It comes by an interrupt
// that the CPU sends to itself, so it has come already; but with threaded interrupts
// (PREEMPT_RT) another thread has to run first.
const wakeMS = 20

func (t *T) woken(epoll int) bool {
	events := make([]unix.EpollEvent, 1)
	for {
		n, err := unix.EpollWait(epoll, events, wakeMS)
		if err == unix.EINTR {
			continue
		}
		t.must("wait by epoll", err)
		return n > 0
	}
}
