// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"math"
)

// seekers find the few lines of a block that need a second look, in one pass a text.
type seekers struct{ names, controls seekerSet }

// seekerSet finds any of several texts.
type seekerSet struct {
	each []seeker
	next int // the first of theirs
}

// seeker finds a text in a block, from its front to its end.
type seeker struct {
	block, text []byte
	next        int // where it is next; before the place asked for: not known
}

func newSeekers(block []byte) *seekers {
	s := seekers{seekerSet{next: -1}, seekerSet{next: -1}}
	for _, h := range names {
		s.names.each = append(s.names.each, seeker{block, []byte(h.has), -1})
	}
	for i := range controls {
		s.controls.each = append(s.controls.each, seeker{block, controls[i : i+1], -1})
	}
	return &s
}

// within reports whether one of the texts begins there. Each call is for a place behind that
// of the call before.
func (set *seekerSet) within(from, to int) bool {
	if set.next < from {
		set.next = math.MaxInt
		for i := range set.each {
			set.next = min(set.next, set.each[i].seek(from))
		}
	}
	return set.next < to
}

// seek returns where the text is next, from there on.
func (s *seeker) seek(from int) int {
	if s.next >= from {
		return s.next
	}
	i := bytes.Index(s.block[from:], s.text)
	if s.next = from + i; i < 0 {
		s.next = math.MaxInt
	}
	return s.next
}
