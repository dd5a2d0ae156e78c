// SPDX-License-Identifier: MIT

// Package console finds splats in a kernel's console log. Its functions are pure: bytes
// in, findings out.
package console

import (
	"bytes"
	"regexp"
	"slices"
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
	KASAN    Kind = "KASAN"     // this and the other sanitizers
	Lockup   Kind = "lockup"    // of a CPU or a workqueue
	RCUStall Kind = "RCU stall" // a CPU that does not pass a quiescent state
	HungTask Kind = "hung task"
	OOM      Kind = "out of memory" // a process was killed for its memory
	Lockdep  Kind = "lockdep"       // a locking rule is broken
	WARN     Kind = "WARN"
)

// Event is one splat: its head line, without time stamp, caller and level.
type Event struct {
	Kind Kind
	Line string
	Time time.Duration
	At   int // number of the line in the log, from 1
}

// prefix is what printk may put in front of a line: level, time, caller.
// https://docs.kernel.org/core-api/printk-basics.html, CONFIG_PRINTK_CALLER
var prefix = regexp.MustCompile(`^(?:<\d+>)?(?:\[ *\d+\.\d+\] ?)?(?:\[ *[TC]\d+\] ?)?`)

// heads are the head lines of splats. The first match decides, so special patterns come
// before general ones.
var heads = []struct {
	kind    Kind
	pattern *regexp.Regexp
}{
	// panic() and its message, kernel/panic.c. Only its beginning: a panic takes the
	// serial port from the current writer, and a character can be duplicated.
	{Panic, regexp.MustCompile(`^Kernel panic\b`)},
	// mm/kasan, mm/kfence, mm/kmsan, kernel/kcsan, lib/ubsan.c
	{KASAN, regexp.MustCompile(`^BUG: K(?:ASAN|FENCE|MSAN|CSAN): |^UBSAN: `)},
	// kernel/watchdog.c, kernel/workqueue.c
	{Lockup, regexp.MustCompile(`(?:BUG: soft lockup|Watchdog detected hard LOCKUP|BUG: workqueue lockup)`)},
	// kernel/rcu/tree_stall.h
	{RCUStall, regexp.MustCompile(`^(?:rcu: )?INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stall`)},
	{RCUStall, regexp.MustCompile(`^rcu: rcu_\w+ kthread starved`)},
	// kernel/hung_task.c
	{HungTask, regexp.MustCompile(`^INFO: task .+ blocked (?:in I/O wait )?for more than \d+ seconds`)},
	// mm/oom_kill.c
	{OOM, regexp.MustCompile(`^(?:Out of memory|Memory cgroup out of memory): Killed process `)},
	// kernel/locking/lockdep.c
	{Lockdep, regexp.MustCompile(`^WARNING: (?:possible (?:circular locking|recursive locking|irq lock inversion)|inconsistent lock state|bad unlock balance|held lock freed|suspicious RCU usage|.*-safe -> .*-unsafe lock order)|^INFO: trying to register non-static key|^DEBUG_LOCKS_WARN_ON`)},
	// arch/x86/mm/fault.c, arch/x86/kernel/traps.c, dumpstack.c: "NAME: CODE [#n]"
	{Oops, regexp.MustCompile(`^BUG: (?:unable to handle|kernel NULL pointer)|: [0-9a-f]{4,16} \[#\d+\]`)},
	{BUG, regexp.MustCompile(`^kernel BUG at |^BUG: `)},
	// kernel/panic.c, __warn(); lib/bug.c since 6.19 writes the place first
	{WARN, regexp.MustCompile(`^WARNING: (?:CPU: \d+ PID: \d+ at |\S+:\d+ at )`)},
}

// marks are texts of which each head line contains one. Searching for them is far cheaper
// than the patterns, and a kernel may write a hundred MB.
var marks = [][]byte{
	[]byte("Kernel panic"), []byte("BUG"), []byte("UBSAN"), []byte("LOCKUP"), []byte("rcu: "), []byte("INFO: "),
	[]byte("Killed process"), []byte("WARNING: "), []byte("DEBUG_LOCKS"), []byte("[#"),
}

func marked(text []byte) bool {
	return slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(text, mark) })
}

// Scan returns the splats of a log in order. A fault that is reported in two lines,
// location and cause, is one event.
func Scan(log []byte) []Event {
	if !marked(log) {
		return nil
	}
	var events []Event
	at, told := 0, -1 // the event that both of its lines have been seen of
	for line := range bytes.Lines(log) {
		at++
		if !marked(line) {
			continue
		}
		text := clean(line)
		text = text[len(prefix.FindString(text)):]
		kind, ok := classify(text)
		if !ok {
			continue
		}
		if told != len(events)-1 && continues(events, kind, at) {
			told = len(events) - 1
			continue
		}
		events = append(events, Event{Kind: kind, Line: strings.TrimSpace(text), At: at})
	}
	return events
}

func classify(text string) (Kind, bool) {
	for _, head := range heads {
		if head.pattern.MatchString(text) {
			return head.kind, true
		}
	}
	return "", false
}

// oopsLines is how many lines lie between the two head lines of one fault:
// "BUG: unable to handle page fault", four lines about the address, "Oops: ".
const oopsLines = 6

// continues reports whether an oops at this line belongs to the event before.
func continues(events []Event, kind Kind, at int) bool {
	if len(events) == 0 || kind != Oops {
		return false
	}
	last := events[len(events)-1]
	first := last.Kind == BUG || last.Kind == Oops && strings.HasPrefix(last.Line, "BUG: ")
	return first && at-last.At <= oopsLines
}

// Worst returns the first event of the worst kind, and false if there is none.
func Worst(events []Event) (Event, bool) {
	for _, kind := range []Kind{Panic, Oops, BUG, KASAN, Lockup, RCUStall, HungTask, OOM, Lockdep, WARN} {
		for _, event := range events {
			if event.Kind == kind {
				return event, true
			}
		}
	}
	return Event{}, false
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

// clean makes a line safe to print on a terminal.
func clean(line []byte) string {
	return strings.TrimRight(strings.Map(printable, string(line)), " ")
}

func printable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f || r == '\uFFFD' {
		return -1
	}
	return r
}

// Excerpt: temporary
func Excerpt(log []byte, e Event, n int) []string { return nil }
