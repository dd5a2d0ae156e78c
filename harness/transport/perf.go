// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

type perfReader struct {
	*perf.Reader
	deadlines
	rings     int
	remaining []int // index: CPU; bytes left in its ring after the last read
}

func openPerf(maps []*ebpf.Map, opts Options) (Reader, error) {
	events := maps[0]
	reader, err := perf.NewReaderWithOptions(events, opts.RingBytes, perfOptions(opts.Policy, opts.RingBytes))
	if err != nil {
		return nil, fmt.Errorf("open perf buffer: %w", withErrno(err))
	}
	cpus := int(events.MaxEntries())
	r := &perfReader{Reader: reader, deadlines: deadlines{opts.Flush}, rings: cpus, remaining: make([]int, cpus)}
	r.again(os.ErrDeadlineExceeded, r.SetDeadline) // the first one
	return r, nil
}

// errnoError is an error whose number a library has left out.
type errnoError struct {
	error
	errno unix.Errno
}

func (e *errnoError) Unwrap() []error { return []error{e.error, e.errno} }

// withErrno adds the number of a refusal, which the library only prints: perf.NewReader in
// its version 0.22.
func withErrno(err error) error {
	for _, errno := range []unix.Errno{unix.EACCES, unix.EPERM} {
		if !errors.Is(err, errno) && strings.HasSuffix(err.Error(), ": "+errno.Error()) {
			return &errnoError{err, errno}
		}
	}
	return err
}

func (r *perfReader) Read(s *Sample) error {
	for {
		err := r.ReadInto(&s.perf)
		if err == nil {
			break
		}
		if !r.again(err, r.SetDeadline) {
			return err
		}
	}
	s.Raw, s.Lost, s.CPU = s.perf.RawSample, s.perf.LostSamples, s.perf.CPU
	r.remaining[s.perf.CPU] = s.perf.Remaining
	return nil
}

// State sums what was left in each ring after its last read. cilium/ebpf does
// not show the positions of a perf ring.
func (r *perfReader) State() (State, error) {
	var s State
	for _, bytes := range r.remaining {
		s.ResidualBytes += uint64(max(bytes, 0))
	}
	return s, nil
}

// Memory counts each CPU's data pages and its page of struct perf_event_mmap_page,
// none of which are in the map's fdinfo or its memory cgroup, and the map's slots.
func (r *perfReader) Memory() Memory {
	return Memory{
		MapBytes:    int64(8 * r.rings),
		LockedBytes: lockedBytes(vocab.PerfRings, r.rings, r.BufferSize()),
	}
}
