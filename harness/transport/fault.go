// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"time"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Inject returns the reader with the fault.
func Inject(f vocab.Fault, r Reader) Reader {
	if f == "" || f.Kind() == vocab.Work || f.Kind() == vocab.Strand {
		return r
	}
	return &faultyReader{Reader: r, kind: f.Kind(), n: f.N()}
}

// ExtraWork is the number of turns of the program's extra loop.
func ExtraWork(f vocab.Fault) int {
	if f.Kind() == vocab.Work {
		return f.N()
	}
	return 0
}

// faultyReader is a reader with a fault.
type faultyReader struct {
	Reader
	kind  vocab.FaultKind
	n     int
	count int     // events read
	held  *Sample // to be returned next
}

// Read reads like the reader, except for every Nth event.
func (r *faultyReader) Read(s *Sample) error {
	if r.held != nil {
		s.Raw, s.Lost, s.CPU, r.held = append(s.Raw[:0:0], r.held.Raw...), 0, r.held.CPU, nil
		return nil
	}
	if err := r.Reader.Read(s); err != nil || s.Lost > 0 {
		return err
	}
	r.count++
	if r.kind == vocab.Delay {
		for begun := time.Now(); time.Since(begun) < time.Duration(r.n)*time.Microsecond; {
		}
		return nil
	}
	if r.count%r.n != 0 {
		return nil
	}
	switch r.kind {
	case vocab.Drop:
		return r.Read(s)
	case vocab.Tear:
		s.Raw = append([]byte(nil), s.Raw...) // the ring may be mapped read-only
		s.Raw[0] ^= 1
	case vocab.Duplicate:
		r.held = copySample(s)
	case vocab.Reorder:
		held := copySample(s)
		err := r.Reader.Read(s)
		if err == nil && s.Lost == 0 {
			r.count++
			r.held = held
			return nil
		}
		if !errors.Is(err, ErrFlushed) {
			return err
		}
		// The last event has no successor. The flush is over too.
		s.Raw, s.Lost, s.CPU = held.Raw, 0, held.CPU
		return r.Flush()
	}
	return nil
}

func copySample(s *Sample) *Sample {
	return &Sample{Raw: append([]byte(nil), s.Raw...), CPU: s.CPU}
}

// Count counts like the reader, except for every Nth event, where that is a fault of a
// number.
func (r *faultyReader) Count() (Total, error) {
	n, err := CounterOf(r.Reader).Count()
	before := r.count / r.n
	r.count += n.Events
	switch faulty := r.count/r.n - before; r.kind {
	case vocab.Drop:
		n.Events -= faulty
	case vocab.Duplicate:
		n.Events += faulty
	}
	return n, err
}
