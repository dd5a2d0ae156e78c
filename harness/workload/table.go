// SPDX-License-Identifier: MIT

package workload

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxUIDs, stretches and turns are MAX_UIDS, STRETCHES and TURNS of load.h.
const (
	maxUIDs   = 8
	stretches = 64
	turns     = math.MaxUint64
)

// start is struct start of load.h.
type start struct {
	Token  uint64
	TimeNS uint64
	PID    uint32
	UID    uint32
	Status int32
	_      uint32
}

// table is struct table of load.h without its tail.
type table struct {
	Ready      uint32
	Go         uint32
	Count      uint64
	Done       uint64
	PeriodNS   uint64
	Mark       uint64
	FirstToken uint64
	LeadNS     uint64
	BeginNS    uint64
	EndNS      uint64
	CPUNS      uint64
	UIDs       uint32
	UID        [maxUIDs]uint32
	Storm      uint32
	StretchNS  [stretches]uint64
}

// shared is a table in memory that a producer process has mapped too.
type shared struct {
	file *os.File
	mem  []byte
	*table
	starts []start
}

func newShared(count int) (*shared, error) {
	file, err := memfd("ringtwin-table")
	if err != nil {
		return nil, err
	}
	size := int(unsafe.Sizeof(table{})) + count*int(unsafe.Sizeof(start{}))
	if err := file.Truncate(int64(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("size table: %w", err), file.Close())
	}
	// Populated: page faults would add to the producer's CPU time.
	mem, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map table: %w", err), file.Close())
	}
	s := &shared{file: file, mem: mem, table: (*table)(unsafe.Pointer(&mem[0]))}
	s.starts = unsafe.Slice((*start)(unsafe.Add(unsafe.Pointer(&mem[0]), unsafe.Sizeof(table{}))), count)
	return s, nil
}

func (s *shared) Close() error {
	s.table, s.starts = nil, nil
	return errors.Join(unix.Munmap(s.mem), s.file.Close())
}

// done is the number of programs started and reaped so far.
func (s *shared) done() uint64 { return atomic.LoadUint64(&s.table.Done) }

// stretchNS is the CPU time of each stretch of a storm that is over, in ns, and the calls
// in each.
func (s *shared) stretchNS() (all []int64, calls int) {
	length := s.table.Count / stretches
	if length == 0 {
		return nil, 0
	}
	last := uint64(0)
	for _, ns := range s.table.StretchNS {
		if ns == 0 {
			break // it was ended
		}
		all = append(all, int64(ns-last))
		last = ns
	}
	return all, int(length)
}

// awaitReady returns true once the producer waits for its start, false when
// the time-out has passed.
func (s *shared) awaitReady(timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for atomic.LoadUint32(&s.table.Ready) == 0 {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		ts := unix.NsecToTimespec(int64(min(left, 100*time.Millisecond)))
		futex(&s.table.Ready, futexWait, 0, &ts)
	}
	return true
}

// release lets the producer start.
func (s *shared) release() {
	atomic.StoreUint32(&s.table.Go, 1)
	futex(&s.table.Go, futexWake, 1, nil)
}

const (
	futexWait = 0
	futexWake = 1
)

// futex ignores errors: its callers check the word again.
func futex(word *uint32, op, val uintptr, timeout *unix.Timespec) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, val, uintptr(unsafe.Pointer(timeout)), 0, 0)
}

// memfd returns an anonymous file in memory: nothing to clean up, whatever ends us.
func memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
