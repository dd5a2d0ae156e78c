// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// perfRing is one CPU's ring of a perf buffer: an event and what it maps.
type perfRing struct {
	t     *T
	file  *os.File
	cpu   int
	size  int
	meta  []byte // struct perf_event_mmap_page
	data  []byte
	epoll int
}

// Kinds of records, and the ioctl that x/sys lacks a name for.
const (
	recordLost   = 2 // PERF_RECORD_LOST
	recordSample = 9 // PERF_RECORD_SAMPLE

	// lostRecordBytes is a PERF_RECORD_LOST: header, id, count.
	lostRecordBytes = 24
	perfHeaderBytes = 8 // struct perf_event_header
	perfSizeBytes   = 4 // the u32 in front of a raw sample

	formatLost = 1 << 4 // PERF_FORMAT_LOST
)

// perfRecord is a record in the ring.
type perfRecord struct {
	kind  uint32
	bytes int    // of the whole record, by its header
	raw   []byte // of a sample
	lost  uint64 // of a PERF_RECORD_LOST
}

// perfArray is the map that programs output to.
func (t *T) perfArray() *ebpf.Map {
	cpus, err := ebpf.PossibleCPU()
	t.must("count CPUs", err)
	return t.newMap(ebpf.MapSpec{
		Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(cpus),
	})
}

// bpfOutput is the event that bpf_perf_event_output writes to. It wakes for every
// record.
func bpfOutput() unix.PerfEventAttr {
	return unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_SOFTWARE,
		Config:      unix.PERF_COUNT_SW_BPF_OUTPUT,
		Sample_type: unix.PERF_SAMPLE_RAW,
		Wakeup:      1,
		Size:        unix.PERF_ATTR_SIZE_VER1,
	}
}

// perfRing opens the ring of a CPU, and puts it into the array.
func (t *T) perfRing(array *ebpf.Map, cpu, size int, attr unix.PerfEventAttr) *perfRing {
	r, err := t.tryPerfRing(array, cpu, size, attr)
	t.must("open perf ring", err)
	return r
}

func (t *T) tryPerfRing(array *ebpf.Map, cpu, size int, attr unix.PerfEventAttr) (*perfRing, error) {
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	r := &perfRing{t: t, file: os.NewFile(uintptr(fd), "perf"), cpu: cpu, size: size, epoll: -1}
	t.after(r.file.Close)
	mem := t.mmap(fd, 0, page+size, unix.PROT_READ|unix.PROT_WRITE)
	r.meta, r.data = mem[:page], mem[page:]
	t.must("enable perf event", unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0))
	if array != nil {
		t.must("put perf event into its slot", array.Put(uint32(cpu), uint32(fd)))
	}
	return r, nil
}

func (r *perfRing) fd() int { return int(r.file.Fd()) }

func (r *perfRing) page() *unix.PerfEventMmapPage {
	return (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.meta[0]))
}

func (r *perfRing) head() uint64 { return atomic.LoadUint64(&r.page().Data_head) }
func (r *perfRing) tail() uint64 { return atomic.LoadUint64(&r.page().Data_tail) }

// read consumes all records. It stops at one whose header has no length.
func (r *perfRing) read() []perfRecord {
	var all []perfRecord
	head := r.head()
	for tail := r.tail(); tail < head; {
		header := r.slice(tail, perfHeaderBytes)
		rec := perfRecord{
			kind:  binary.NativeEndian.Uint32(header),
			bytes: int(binary.NativeEndian.Uint16(header[6:])),
		}
		if rec.bytes >= perfHeaderBytes {
			body := r.slice(tail+perfHeaderBytes, rec.bytes-perfHeaderBytes)
			switch rec.kind {
			case recordLost:
				rec.lost = binary.NativeEndian.Uint64(body[8:])
			case recordSample:
				size := binary.NativeEndian.Uint32(body)
				rec.raw = body[perfSizeBytes:min(perfSizeBytes+int(size), len(body))]
			}
		}
		all = append(all, rec)
		if rec.bytes == 0 {
			break
		}
		tail += uint64(rec.bytes)
	}
	atomic.StoreUint64(&r.page().Data_tail, head)
	return all
}

// slice copies bytes of the ring, which wrap around.
func (r *perfRing) slice(position uint64, n int) []byte {
	from := int(position) & (r.size - 1)
	first := r.data[from:min(from+n, r.size)]
	return slices.Concat(first, r.data[:n-len(first)])
}

// samples are the first words of the samples among records.
func samples(records []perfRecord) []uint64 {
	var all []uint64
	for _, rec := range records {
		if rec.kind == recordSample {
			all = append(all, binary.NativeEndian.Uint64(rec.raw))
		}
	}
	return all
}

// lost sums what was reported as lost in records.
func lost(records []perfRecord) (n uint64) {
	for _, rec := range records {
		n += rec.lost
	}
	return n
}

// perfFootprint is the number of bytes that an event takes in a ring.
// perf_sample_save_raw_data() in
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/perf_event.h
func perfFootprint(payload int) int { return perfHeaderBytes + roundUp8(payload+perfSizeBytes) }

// wait makes a reader wait for the ring from now on.
func (r *perfRing) wait() { r.epoll = r.t.epoll(r.fd()) }

// woken reports whether the reader was woken since the last time.
func (r *perfRing) woken() bool { return r.t.woken(r.epoll) }
