// SPDX-License-Identifier: MIT

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Sizes shared with event.h.
const (
	// CommandBytes is the size of Event.Command, NUL included.
	CommandBytes = 16
	// MessageBytes is the size of Event.Message; a text that fills it has no NUL.
	MessageBytes = 12
	// TextBytes is the size of a value in the config map: a message and a NUL.
	TextBytes = 13
	// ErrnoSlots is the number of counters in Counters.Outcome.
	ErrnoSlots = 128

	// DefaultMessage is sent for a uid that the config map does not hold.
	DefaultMessage = "Hello World"
)

// Event is struct event of event.h without its payload tail. Integers are in
// the byte order of the host, as the kernel program wrote them.
type Event struct {
	TimeNS       uint64 // CLOCK_MONOTONIC, before the output call
	Token        uint64 // the workload's token, 0 for a foreign execve
	Seq          uint32 // per CPU, stamped on every attempt, from 0
	PID          uint32
	UID          uint32
	Checksum     uint32
	CPU          uint16
	PayloadBytes uint16
	Message      [MessageBytes]byte
	Command      [CommandBytes]byte
}

// StormEvent is struct storm_event of event.h. A small event holds only its
// first bytes; the rest is then 0.
type StormEvent struct {
	Seq      uint32 // per CPU, stamped on every attempt, from 0
	CPU      uint16
	Checksum uint16
	TimeNS   uint64 // CLOCK_MONOTONIC, before the output call; from 16 bytes on
	Token    uint64 // argument of the system call; from 24 bytes on
	Zero     uint64
}

// Counters is struct counters of event.h: what one CPU's program counted.
type Counters struct {
	Triggers  uint64
	Foreign   uint64
	Attempts  uint64
	Discarded uint64
	Staged    uint64             // not sent yet
	Records   uint64             // that were sent, of several events each
	Outcome   [ErrnoSlots]uint64 // of the others, by errno; 0: accepted by the kernel
}

// Submitted is how many events the kernel has accepted. Accepted bare events are not
// counted one by one: they are the rest of the attempts.
func (c *Counters) Submitted(bare bool) uint64 {
	if !bare {
		return c.Outcome[0]
	}
	n := c.Attempts - c.Discarded - c.Staged
	for _, failed := range c.Failed() {
		n -= failed
	}
	return n
}

// Failed are those that it has refused: how many by errno.
func (c *Counters) Failed() iter.Seq2[unix.Errno, uint64] {
	return func(yield func(unix.Errno, uint64) bool) {
		for errno, n := range c.Outcome {
			if errno > 0 && n > 0 && !yield(unix.Errno(errno), n) {
				return
			}
		}
	}
}

var (
	// ErrShortSample is returned for a sample smaller than its own header says.
	ErrShortSample = errors.New("sample shorter than an event")
	// ErrTorn is returned for a sample whose checksum or payload does not hold.
	ErrTorn = errors.New("event is torn")
)

// Decode checks the sample raw as it came from a transport and copies its
// header into e. Trailing bytes beyond the payload are ignored: the perf
// buffer pads samples. It does not allocate.
//
// It returns [ErrShortSample] or [ErrTorn]; e is then whatever arrived.
func Decode(raw []byte, e *Event) error {
	if len(raw) < vocab.EventBytes {
		return ErrShortSample
	}
	// Copied, not aliased: raw belongs to the reader, and a perf sample starts
	// 4 bytes after an 8-byte boundary.
	copy((*[vocab.EventBytes]byte)(unsafe.Pointer(e))[:], raw)
	if len(raw) < vocab.EventBytes+int(e.PayloadBytes) {
		return ErrShortSample
	}
	if e.Checksum != e.sum() {
		return ErrTorn
	}
	return e.checkPayload(raw[vocab.EventBytes : vocab.EventBytes+int(e.PayloadBytes)])
}

// DecodeStorm checks the sample raw, of an event of n bytes, and copies what it
// holds into e, as [Decode] does. Padding behind it is ignored. It does not
// allocate.
//
// Of events of several sizes, n is that of the event's number: see [vocab.SizeOf].
func DecodeStorm(raw []byte, n int, e *Event) error {
	if len(raw) < n || n < vocab.Storm.LeastBytes() {
		return ErrShortSample
	}
	var s StormEvent
	copy((*[unsafe.Sizeof(s)]byte)(unsafe.Pointer(&s))[:], raw[:n])
	if n < 16 {
		s.TimeNS = 0 // half of it
	}
	if n < 24 {
		s.Token = 0
	}
	if n < 32 {
		s.Zero = 0
	}
	*e = Event{TimeNS: s.TimeNS, Token: s.Token, Seq: s.Seq, CPU: s.CPU}
	// fill_storm() of twin.bpf.c.
	h := uint64(s.Seq) | uint64(s.CPU)<<32
	if n >= 16 {
		h ^= s.TimeNS * 0x9e3779b97f4a7c15
	}
	if n >= 24 {
		h ^= s.Token
	}
	if uint16(h*0xff51afd7ed558ccd>>48) != s.Checksum || s.Zero != 0 {
		return ErrTorn
	}
	if n >= 40 && binary.NativeEndian.Uint64(raw[n-8:]) != (uint64(s.Seq)|uint64(s.CPU)<<32)^0x9e3779b97f4a7c15 {
		return ErrTorn
	}
	return nil
}

// TimeOf returns a function that reads the time stamp of a sample. A storm's event has one
// from 16 bytes on.
func TimeOf(w vocab.Workload) func(raw []byte) uint64 {
	at := unsafe.Offsetof(Event{}.TimeNS)
	if w == vocab.Storm {
		at = unsafe.Offsetof(StormEvent{}.TimeNS)
	}
	return func(raw []byte) uint64 { return binary.NativeEndian.Uint64(raw[at:]) }
}

// StormSeq is the number of a storm's event on its CPU; 0 for a sample that is too short.
func StormSeq(raw []byte) uint32 {
	if len(raw) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(raw)
}

// sum is checksum() of twin.bpf.c.
func (e *Event) sum() uint32 {
	header := *e
	header.Checksum = 0
	words := (*[vocab.EventBytes / 8]uint64)(unsafe.Pointer(&header))
	h := uint64(0x72696e677477696e)
	for _, word := range words {
		h = (h ^ word ^ h>>29) * 0xff51afd7ed558ccd
	}
	return uint32(h >> 32)
}

// checkPayload compares the tail with payload_word() of twin.bpf.c.
func (e *Event) checkPayload(tail []byte) error {
	word := uint64(0x9e3779b97f4a7c15)
	for len(tail) >= 8 {
		if binary.NativeEndian.Uint64(tail) != e.Token^word {
			return ErrTorn
		}
		tail = tail[8:]
		word += 0x9e3779b97f4a7c15
	}
	for i, b := range tail {
		if b != byte((e.Token^word)>>(i*8)) {
			return ErrTorn
		}
	}
	return nil
}

// Text returns the bytes of a C character array up to its first NUL.
func Text(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}

// NewMessage returns text as the config map stores it. It is an error if text
// has more than [MessageBytes] bytes or holds a NUL.
func NewMessage(text string) ([TextBytes]byte, error) {
	var field [TextBytes]byte
	if len(text) > MessageBytes {
		return field, fmt.Errorf("message %q has %d bytes, at most %d fit", text, len(text), MessageBytes)
	}
	if bytes.IndexByte([]byte(text), 0) >= 0 {
		return field, fmt.Errorf("message %q holds a NUL", text)
	}
	copy(field[:], text)
	return field, nil
}
