// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"regexp"
	"strings"
	"time"
)

// unstamped is the time of a line that has none.
const unstamped time.Duration = -1

// escape is a terminal's sequence: CSI, a string (OSC, DCS and their like), a character
// set, and the rest. ECMA-48; a sequence that is cut off ends with its line.
var escape = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]?|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]+[0-~]?|[0-~])?")

// controls are the control characters that terminals are sent in earnest. The others are
// removed as well, but a line is not searched for them first.
var controls = []byte{0x1b, 0, '\a', '\b', '\f', 0x7f}

// clean makes a line safe to print on a terminal, and comparable: without escape sequences
// and control characters.
func clean(line []byte) string {
	if bytes.IndexByte(line, 0x1b) >= 0 {
		line = escape.ReplaceAll(line, nil)
	}
	return strings.TrimRight(strings.Map(printable, string(line)), " ")
}

func printable(r rune) rune {
	if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' {
		return -1
	}
	return r
}

// digits returns how many digits a text begins with.
func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// blanks returns how many blanks a text begins with.
func blanks(b []byte) (n int) {
	for n < len(b) && b[n] == ' ' {
		n++
	}
	return n
}

// stamp parses printk's time stamp, "[    1.234567]", and returns its length, or 0. A blank
// after it is of it. See print_time in kernel/printk/printk.c.
func stamp(b []byte) (length int, at time.Duration) {
	if len(b) == 0 || b[0] != '[' {
		return 0, unstamped
	}
	i := 1 + blanks(b[1:])
	whole := digits(b[i:])
	if whole == 0 || whole > 9 || i+whole >= len(b) || b[i+whole] != '.' {
		return 0, unstamped
	}
	for _, c := range b[i : i+whole] {
		at = at*10 + time.Duration(c-'0')
	}
	at *= time.Second
	i += whole + 1
	part := digits(b[i:])
	if part == 0 || part > 9 || i+part >= len(b) || b[i+part] != ']' {
		return 0, unstamped
	}
	unit := time.Second
	for _, c := range b[i : i+part] {
		unit /= 10
		at += time.Duration(c-'0') * unit
	}
	i += part + 1
	return i + min(blanks(b[i:]), 1), max(at, 0)
}

// caller returns the length of what CONFIG_PRINTK_CALLER adds, "[    T1] ", or 0.
func caller(b []byte) int {
	if len(b) == 0 || b[0] != '[' {
		return 0
	}
	i := 1 + blanks(b[1:])
	if i >= len(b) || b[i] != 'T' && b[i] != 'C' {
		return 0
	}
	n := digits(b[i+1:])
	i += 1 + n
	if n == 0 || i >= len(b) || b[i] != ']' {
		return 0
	}
	return i + 1 + min(blanks(b[i+1:]), 1)
}

// level returns the length of syslog's priority, "<4>", or 0.
func level(b []byte) int {
	if len(b) == 0 || b[0] != '<' {
		return 0
	}
	n := digits(b[1:])
	if n == 0 || n > 3 || 1+n >= len(b) || b[1+n] != '>' {
		return 0
	}
	return n + 2
}

// prefix returns how long the prefixes are that a text begins with, in any order and
// number, and the first time stamp among them.
func prefix(b []byte) (length int, at time.Duration) {
	at = unstamped
	for length < len(b) && (b[length] == '[' || b[length] == '<') {
		n, t := stamp(b[length:])
		if n > 0 && at == unstamped {
			at = t
		}
		if n == 0 {
			n = level(b[length:])
		}
		if n == 0 {
			n = caller(b[length:])
		}
		if n == 0 {
			break
		}
		length += n
	}
	return length, at
}

// nextStamp returns where a text has its next time stamp after front, or -1.
func nextStamp(b []byte, front int) int {
	for front < len(b) {
		i := bytes.IndexByte(b[front:], '[')
		if i < 0 {
			return -1
		}
		front += i
		if n, _ := stamp(b[front:]); n > 0 {
			return front
		}
		front++
	}
	return -1
}
