// SPDX-License-Identifier: MIT

package size

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Dominant is what decides the size of a ring.
type Dominant string

// What can decide.
const (
	ByBurst   Dominant = "burst"
	ByStall   Dominant = "stall"
	ByMinimum Dominant = "minimum" // the kernel has no smaller ring, or none in which an event fits
)

// Size is what one transport needs.
type Size struct {
	Transport vocab.Transport `json:"transport"`
	// Why says why there is no size; the other fields are zero then.
	Why string `json:"why,omitempty"`
	// Events is how many wait, in one ring.
	Events int `json:"events,omitempty"`
	// FootprintBytes is the size of an event in a ring.
	FootprintBytes int `json:"footprint_bytes,omitempty"`
	// RingBytes is the size of each ring, and LeastBytes the smallest that the transport
	// can have for events of this size.
	RingBytes  int `json:"ring_bytes,omitempty"`
	LeastBytes int `json:"least_bytes,omitempty"`
	Rings      int `json:"rings,omitempty"`
	TotalBytes int `json:"total_bytes,omitempty"`
	// Capacity is how many events one ring takes, and CapacityBelow one of half the size;
	// 0: there is none.
	Capacity      int      `json:"capacity,omitempty"`
	CapacityBelow int      `json:"capacity_below,omitempty"`
	Dominant      Dominant `json:"dominant,omitempty"`
	Proof         *Proof   `json:"proof,omitempty"`

	eventBytes int
}

// Of is the size that a transport needs for a load: the smallest power of two of pages
// whose capacity is at least the events that wait. Where there are several rings, one CPU
// may make the whole burst and run the whole time, so each ring needs room for all. It is
// an error if the load is invalid, or the ring larger than [MaxRingBytes].
func Of(kind vocab.Transport, l Load) (Size, error) {
	n, err := l.Events()
	if err != nil {
		return Size{}, err
	}
	s := Size{Transport: kind, Events: n, eventBytes: l.EventBytes}
	family := kind.Spec().Family
	if !kind.Known() || family.FootprintBytes(l.EventBytes) <= 0 && !family.Totals {
		return Size{Transport: kind, Why: "there is no formula for this transport"}, nil
	}
	switch {
	case family.Totals:
		return Size{Transport: kind, Why: "it sends no events"}, nil
	case family.Overwrites:
		return Size{Transport: kind, Why: "it loses nothing that is new: its size is how much of the past it keeps"}, nil
	case family.Stages && l.EventBytes > vocab.StageBytes:
		return Size{Transport: kind, Why: fmt.Sprintf("an event of %d bytes does not fit into the %d in which events wait", l.EventBytes, vocab.StageBytes)}, nil
	}
	s.FootprintBytes, s.Rings = family.FootprintBytes(l.EventBytes), kind.Rings(l.CPUs, "")
	for s.LeastBytes = vocab.PageBytes; !takesOne(kind, s.LeastBytes, l.EventBytes); s.LeastBytes *= 2 {
		if s.LeastBytes >= MaxRingBytes {
			return Size{Transport: kind, Why: fmt.Sprintf("a ring of %s takes no event of %d bytes", bytes(MaxRingBytes), l.EventBytes)}, nil
		}
	}
	for s.RingBytes = s.LeastBytes; kind.Capacity(s.RingBytes, l.EventBytes) < n; s.RingBytes *= 2 {
		if most := family.MostRingBytes; most > 0 && s.RingBytes >= most {
			return Size{Transport: kind, Why: fmt.Sprintf("a ring has %s at most, which takes %s", bytes(most), plural(kind.Capacity(most, l.EventBytes), "event"))}, nil
		}
		if s.RingBytes >= MaxRingBytes {
			return Size{}, fmt.Errorf("%s events of %d bytes need a ring of more than %s over %s: want a shorter --stall, or a lower --rate, --burst or --bytes",
				count(n), l.EventBytes, bytes(MaxRingBytes), kind)
		}
	}
	s.TotalBytes = s.RingBytes * s.Rings
	s.Capacity = kind.Capacity(s.RingBytes, l.EventBytes)
	s.Dominant = ByMinimum
	if s.RingBytes > s.LeastBytes {
		s.CapacityBelow = kind.Capacity(s.RingBytes/2, l.EventBytes)
		if s.Dominant = ByBurst; l.Burst < n-l.Burst {
			s.Dominant = ByStall
		}
	}
	return s, nil
}

// takesOne reports whether an event fits into a ring, after the record of a loss where
// the transport has one: a ring without room for both refuses every event after its
// first loss.
func takesOne(kind vocab.Transport, ringBytes, n int) bool {
	return kind.Capacity(ringBytes, n) >= 1 && kind.FootprintBytes(n)+kind.Spec().Family.LossBytes <= ringBytes-1
}

// formula is the size with its numbers filled in.
func (s *Size) formula() string {
	text := plural(s.Events, "event")
	if need := s.Events*s.FootprintBytes + 1; s.Capacity == (s.RingBytes-1)/s.FootprintBytes {
		text += fmt.Sprintf(" x %d bytes + 1 = %s bytes", s.FootprintBytes, count(need))
	}
	return fmt.Sprintf("%s, in a power of two of at least %s; a ring of %s takes %s", text, bytes(s.LeastBytes), bytes(s.RingBytes), count(s.Capacity))
}

// dominant is what decides, in words.
func (s *Size) dominant(l Load) string {
	var text string
	switch s.Dominant {
	case ByMinimum:
		text = fmt.Sprintf("the minimum: no ring is smaller than %s", bytes(s.LeastBytes))
		if s.LeastBytes > vocab.PageBytes {
			text += fmt.Sprintf(" with events of %d bytes", l.EventBytes)
		}
	case ByBurst:
		text = fmt.Sprintf("the burst: %s of %s", count(l.Burst), plural(s.Events, "event"))
	case ByStall:
		text = fmt.Sprintf("the stall: %s of %s", count(s.Events-l.Burst), plural(s.Events, "event"))
	}
	if s.Rings > 1 {
		text += fmt.Sprintf("; and %d rings: one CPU may make all events, so each has room for all", s.Rings)
	}
	return text
}
