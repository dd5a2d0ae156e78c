// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Fault is what selftest injects into a trial, between the transport and the
// consumer, to see whether it is noticed.
type Fault struct {
	Kind string
	N    int
}

// The kinds of faults. N counts events, but for Delay and Work.
const (
	Drop      = "drop"      // every Nth event never reaches the consumer
	Duplicate = "duplicate" // every Nth arrives twice
	Reorder   = "reorder"   // every Nth arrives after its successor
	Tear      = "tear"      // a bit of every Nth is another
	Delay     = "delay"     // each arrives N microseconds later
	Work      = "work"      // the program turns N times around a loop for each
)

// Faults lists the kinds.
func Faults() []string { return []string{Drop, Duplicate, Reorder, Tear, Delay, Work} }

// ParseFault reads KIND=N; "" is none.
func ParseFault(text string) (Fault, error) {
	if text == "" {
		return Fault{}, nil
	}
	kind, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	for _, k := range Faults() {
		if k == kind && err == nil && n > 0 {
			return Fault{kind, n}, nil
		}
	}
	return Fault{}, fmt.Errorf("fault %q: want KIND=N with one of %s", text, strings.Join(Faults(), ", "))
}

// Inject returns the reader with the fault.
func (f Fault) Inject(r Reader) Reader {
	if f.Kind == "" || f.Kind == Work {
		return r
	}
	return &faultyReader{Reader: r, fault: f}
}

// ExtraWork is how often the program turns around its loop.
func (f Fault) ExtraWork() int {
	if f.Kind == Work {
		return f.N
	}
	return 0
}

// faultyReader is a reader with a fault.
type faultyReader struct {
	Reader
	fault Fault
	count int     // events read
	held  *Sample // to be returned next
}

// Read does what the reader does, but for every Nth event.
func (r *faultyReader) Read(s *Sample) error {
	if r.held != nil {
		s.Raw, s.Lost, s.CPU, r.held = append(s.Raw[:0:0], r.held.Raw...), 0, r.held.CPU, nil
		return nil
	}
	if err := r.Reader.Read(s); err != nil || s.Lost > 0 {
		return err
	}
	r.count++
	if r.fault.Kind == Delay {
		for begun := time.Now(); time.Since(begun) < time.Duration(r.fault.N)*time.Microsecond; {
		}
		return nil
	}
	if r.count%r.fault.N != 0 {
		return nil
	}
	switch r.fault.Kind {
	case Drop:
		return r.Read(s)
	case Tear:
		s.Raw[0] ^= 1
	case Duplicate:
		r.held = copySample(s)
	case Reorder:
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
		// It is the last one, and has no successor. The flush is over too.
		s.Raw, s.Lost, s.CPU = held.Raw, 0, held.CPU
		return r.Flush()
	}
	return nil
}

func copySample(s *Sample) *Sample {
	return &Sample{Raw: append([]byte(nil), s.Raw...), CPU: s.CPU}
}
