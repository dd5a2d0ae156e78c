// SPDX-License-Identifier: MIT

// Package console finds splats in a kernel's console log. Bytes in, findings out: it
// reads no file, and only a [Scanner] has state. A Scanner is for one goroutine; all else
// is safe for concurrent use.
package console

import (
	"fmt"
	"strings"
	"time"
)

// Kind is the kind of a splat.
type Kind string

// The kinds, worst first.
const (
	Panic    Kind = "panic"
	Oops     Kind = "oops"      // a fault in the kernel
	BUG      Kind = "BUG"       // an assertion of the kernel's, and its like
	KASAN    Kind = "KASAN"     // this and the other checkers of memory, and SLUB's checks
	UBSAN    Kind = "UBSAN"     // undefined behaviour
	Lockup   Kind = "lockup"    // of a CPU or a workqueue
	RCUStall Kind = "RCU stall" // a CPU that does not pass a quiescent state
	HungTask Kind = "hung task"
	OOM      Kind = "out of memory" // a process was killed for its memory
	Alloc    Kind = "alloc"         // the kernel got no memory for itself
	Lockdep  Kind = "lockdep"       // a locking rule is broken
	WARN     Kind = "WARN"
)

var worstFirst = []Kind{Panic, Oops, BUG, KASAN, UBSAN, Lockup, RCUStall, HungTask, OOM, Alloc, Lockdep, WARN}

// Event is one splat: its head line, without time stamp, caller and level.
type Event struct {
	Kind Kind
	Line string
	At   int // number of the line in the log, from 1
	// Time is printk's stamp, the time since boot; -1 if the line has none.
	Time time.Duration
	// Cause is the splat that made the kernel panic, of a panic that only says what it was
	// configured to do: "panic_on_warn set", "Fatal exception", "hung_task: blocked tasks".
	Cause *Event
}

// Root is the event that explains most: the cause of a panic, if it is known.
func (e Event) Root() Event {
	if e.Cause != nil {
		return *e.Cause
	}
	return e
}

// doubled is how a head line repeats its kind.
var doubled = map[Kind]string{Oops: "Oops: ", BUG: "BUG: ", KASAN: "BUG: KASAN: ", WARN: "WARNING: ", UBSAN: "UBSAN: "}

// String is the reason that the event gives for a failure: the kind, the root's kind and
// line, and where that is.
func (e Event) String() string {
	root := e.Root()
	text := fmt.Sprintf("%s: %s (line %d of the console)", root.Kind, strings.TrimPrefix(root.Line, doubled[root.Kind]), root.At)
	if e.Cause != nil {
		text = fmt.Sprintf("%s: %s", e.Kind, text)
	}
	return text
}

// Worst returns the first event of the worst kind, and false if there is none.
func Worst(events []Event) (Event, bool) {
	for _, kind := range worstFirst {
		for _, event := range events {
			if event.Kind == kind {
				return event, true
			}
		}
	}
	return Event{}, false
}
