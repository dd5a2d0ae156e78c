// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"regexp"
	"strings"
	"time"
)

// maxLine is the longest line that is looked at as a whole. A longer one is looked at in
// pieces of this size, so what is kept of an endless one is bounded.
const maxLine = 1 << 20

// Scan returns the splats of a log in order. A fault that is reported in several lines,
// location and cause, is one event.
func Scan(log []byte) []Event {
	var s Scanner
	return append(s.Take(log), s.Flush()...)
}

// Scanner scans a log that comes in pieces, with the same result whatever they are. The zero
// value is at the beginning of a log.
type Scanner struct {
	line   int           // complete lines until now
	told   int           // the line of the last event
	stamps stamps        // whether this kernel's lines have time stamps
	now    time.Duration // of the last line that begins with one
	rest   []byte        // of a line whose end is not there yet
	faults faults
	found  []Event
}

// NewScanner returns a scanner of what follows so many lines.
func NewScanner(lines int) *Scanner { return &Scanner{line: lines, told: lines} }

// Take scans the next piece of a log. A line is scanned when its end has come.
func (s *Scanner) Take(data []byte) []Event {
	s.found = nil
	if len(s.rest) > 0 {
		end := bytes.IndexByte(data, '\n') + 1
		head := data[:end]
		if end == 0 {
			head = data
		}
		s.rest = append(s.rest, head...)
		data = data[len(head):]
		if end > 0 {
			s.lines(s.rest)
			s.rest = s.rest[:0]
		}
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	s.lines(data[:end])
	s.rest = append(s.rest, data[end:]...)
	for len(s.rest) > maxLine {
		s.piece(s.rest[:maxLine], newSeekers(s.rest[:maxLine]), 0)
		s.rest = append(s.rest[:0], s.rest[maxLine:]...)
	}
	return s.found
}

// Flush scans what has no line end yet, as if it ended here.
func (s *Scanner) Flush() []Event {
	s.found = nil
	if len(s.rest) > 0 {
		s.piece(s.rest, newSeekers(s.rest), 0)
		s.rest = s.rest[:0]
	}
	return s.found
}

// lines scans complete lines.
func (s *Scanner) lines(block []byte) {
	look := newSeekers(block)
	for from := 0; from < len(block); {
		end := from + bytes.IndexByte(block[from:], '\n') + 1
		for end-1-from > maxLine {
			s.piece(block[from:from+maxLine], look, from)
			from += maxLine
		}
		s.piece(block[from:end], look, from)
		s.line++
		from = end
	}
}

// piece scans one line, or a piece of a long one, that begins there in its block.
func (s *Scanner) piece(line []byte, look *seekers, from int) {
	to := from + len(line)
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	withNames := look.names.within(from, to)
	if !look.controls.within(from, to) && bytes.IndexByte(line, '\r') < 0 {
		s.text(line, withNames)
		return
	}
	for part := range bytes.SplitSeq(escape.ReplaceAll(line, nil), []byte{'\r'}) {
		s.text([]byte(clean(part)), true)
	}
}

// prompt is what a program may have written in front of a panic on a console without time
// stamps: a shell, or getty.
var prompt = regexp.MustCompile(`(?:login: |[#$>] )(Kernel panic - not syncing: )`)

// text looks for a head line in a line without control characters: behind the time stamp
// with which it begins, else behind one that follows a program's text, and without a stamp
// only on a console whose lines have none.
func (s *Scanner) text(line []byte, withNames bool) {
	length, at := prefix(line)
	if at != unstamped {
		length += blanks(line[length:])
		s.now = at
	}
	s.stamps.note(line[length:], at)
	if (at != unstamped || s.stamps != always) && s.head(line[length:], at, withNames) {
		return
	}
	for i := nextStamp(line, length); i >= 0; i = nextStamp(line, i+1) {
		n, t := prefix(line[i:])
		if s.follows(line[length:i], at, t) && s.head(line[i+n:], t, withNames) {
			return
		}
	}
	if at != unstamped || s.stamps == always || !bytes.Contains(line, []byte("Kernel panic")) {
		return
	}
	if found := prompt.FindSubmatchIndex(line); found != nil {
		s.head(line[found[2]:], unstamped, false)
	}
}

const (
	// backwards is by how much time stamps may go back: several CPUs take them.
	backwards = time.Second
	// cutIn is how much older a message can be that a panic breaks off, to print its own.
	cutIn = time.Minute
)

// follows reports whether the kernel wrote a time stamp in the middle of a line: behind what
// a program had written, or in place of the rest of an earlier message. Else a program quotes
// the log, or the kernel a program's name.
func (s *Scanner) follows(front []byte, at, stamp time.Duration) bool {
	if at == unstamped {
		return stamp >= s.now-backwards
	}
	quoted := bytes.Count(front, []byte("'"))%2 == 1 || bytes.Count(front, []byte(`"`))%2 == 1
	return !quoted && stamp >= at && stamp <= at+cutIn
}

// head adds an event, or what it says to the event before, if the text is a head line.
func (s *Scanner) head(text []byte, at time.Duration, withNames bool) bool {
	h := classify(text, withNames)
	if h == nil {
		return false
	}
	event := Event{Kind: h.kind, Line: strings.TrimSpace(string(text)), At: s.line + 1, Time: at}
	if event.At > s.told && s.faults.add(h, &event) {
		s.found = append(s.found, event)
		s.told = event.At
	}
	return true
}

// stamps is whether a kernel's lines have time stamps: printk.time.
type stamps int

const (
	perhaps stamps = iota
	always
	never
)

// initLine is printed by every kernel, when its console is as it stays: run_init_process in
// init/main.c.
var initLine = regexp.MustCompile(`^Run \S+ as init process`)

// note learns from a line.
func (s *stamps) note(text []byte, at time.Duration) {
	switch {
	case at != unstamped && *s == perhaps:
		*s = always
	case len(text) > 4 && string(text[:4]) == "Run " && initLine.Match(text):
		*s = never
		if at != unstamped {
			*s = always
		}
	}
}
