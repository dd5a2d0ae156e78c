// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"strings"
)

// endTrace is the last line of an oops and of a warning: print_oops_end_marker in
// kernel/panic.c.
const endTrace = "---[ end trace"

// Excerpt returns the report of an event that was found in this log: its head line and
// what follows, at most n lines that are not empty, without control characters. It stops
// before the line that ends a trace.
func Excerpt(log []byte, e Event, n int) []string {
	var lines []string
	at := 0
	for line := range bytes.Lines(log) {
		if at++; at < e.At || len(lines) >= n {
			if at > e.At {
				break
			}
			continue
		}
		text := clean(line)
		if strings.Contains(text, endTrace) {
			break
		}
		if at == e.At {
			text = kernelPart(text)
		}
		if length, _ := prefix([]byte(text)); strings.TrimSpace(text[length:]) != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// kernelPart cuts off what a program wrote in front of a time stamp.
func kernelPart(text string) string {
	if _, at := prefix([]byte(text)); at != unstamped {
		return text
	}
	if i := nextStamp([]byte(text), 0); i > 0 {
		return text[i:]
	}
	return text
}

// Tail returns the last n lines that are not empty, without carriage returns
// and other control characters.
func Tail(log []byte, n int) []string {
	var lines []string
	for line := range bytes.Lines(log) {
		if text := clean(line); text != "" {
			lines = append(lines, text)
		}
	}
	return lines[max(len(lines)-n, 0):]
}
