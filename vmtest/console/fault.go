// SPDX-License-Identifier: MIT

package console

import (
	"regexp"
	"slices"
	"time"
)

// faults knows which head lines are of one fault, and which fault made the kernel panic.
type faults struct {
	open    []open // wait for the next line of their report
	lasting []lasting
	past    []*fault // the latest, the oldest first
}

// fault is an event and what became of it.
type fault struct {
	event *Event
	last  moment // of what was reported of it
	died  bool
}

// moment is a place in a log.
type moment struct {
	line int
	at   time.Duration
}

// before reports whether a place lies behind this one, by no more than the limit.
func (m moment) before(later moment, limit time.Duration) bool {
	if m.at == unstamped || later.at == unstamped {
		return later.line-m.line <= soonLines
	}
	return later.at >= m.at && later.at-m.at <= limit
}

type open struct {
	then  *regexp.Regexp
	until int // line
	fault *fault
}

// lasting is a condition that is reported again and again while it lasts.
type lasting struct {
	kind  Kind
	what  string
	fault *fault
}

const (
	// pastFaults is how many faults may have made a kernel panic.
	pastFaults = 64
	// again is the longest time between two reports of one condition: a hung task's, which
	// is the slowest, comes every two minutes.
	again = 5 * time.Minute
	// soon is the longest time between a fault and the panic that it makes.
	soon = time.Minute
	// soonLines is that without time stamps.
	soonLines = 2000
)

// add reports whether the event is a fault of its own. A panic is given its cause.
func (f *faults) add(h *head, e *Event) bool {
	now := moment{e.At, e.Time}
	if f.continues(h, e, now) || f.lasts(h, e, now) {
		return false
	}
	if e.Kind == Panic {
		e.Cause = f.cause(e.Line, now)
		return true
	}
	one := &fault{event: e, last: now, died: h.dies}
	if f.past = append(f.past, one); len(f.past) > pastFaults {
		f.past = slices.Delete(f.past, 0, 1)
	}
	if h.same != nil {
		f.lasting = append(f.lasting, lasting{e.Kind, h.same.FindString(e.Line), one})
		f.lasting = f.lasting[max(len(f.lasting)-pastFaults, 0):]
	}
	f.expect(h, e, one)
	return true
}

// expect waits for the next head line of a fault's report.
func (f *faults) expect(h *head, e *Event, one *fault) {
	if h.then != nil {
		f.open = append(f.open, open{h.then, e.At + h.within, one})
	}
}

// continues reports whether the event is the next line of an earlier fault's report: of the
// oldest that waits for it, as two CPUs can report at once.
func (f *faults) continues(h *head, e *Event, now moment) bool {
	f.open = slices.DeleteFunc(f.open, func(o open) bool { return o.until < e.At })
	i := slices.IndexFunc(f.open, func(o open) bool { return o.then.MatchString(e.Line) })
	if i < 0 {
		return false
	}
	one := f.open[i].fault
	f.open = slices.Delete(f.open, i, i+1)
	one.died, one.last = one.died || h.dies, now
	f.expect(h, e, one)
	return true
}

// lasts reports whether the event repeats what was reported shortly before.
func (f *faults) lasts(h *head, e *Event, now moment) bool {
	if h.same == nil {
		return false
	}
	what := h.same.FindString(e.Line)
	i := slices.IndexFunc(f.lasting, func(l lasting) bool { return l.kind == e.Kind && l.what == what })
	if i < 0 {
		return false
	}
	one := f.lasting[i].fault
	if !one.last.before(now, again) {
		f.lasting = slices.Delete(f.lasting, i, i+1)
		return false
	}
	one.last = now
	return true
}

// echoes are the panics that only say what the kernel does after something else. The kinds
// are those that it can have been.
var echoes = []struct {
	panic *regexp.Regexp
	kinds []Kind
	died  bool          // only one that ended with an oops
	first bool          // the first of those reported at once, and not the last
	limit time.Duration // default: soon
}{
	// check_panic_on_warn() in kernel/panic.c: __warn(), the sanitizers, the scheduler
	{panic: re(`panic_on_warn set|warned too often|panic_on_taint set`), kinds: []Kind{WARN, KASAN, UBSAN, BUG, Lockdep}},
	// mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c
	{panic: re(`k(?:asan|fence)\.fault=panic|kmsan\.panic|panic_on_kmsan`), kinds: []Kind{KASAN}},
	// oops_end() in arch/x86/kernel/dumpstack.c, die() in arch/arm64/kernel/traps.c,
	// make_task_dead() in kernel/exit.c
	{panic: re(`Fatal exception|: Oops|Oopsed too often|Oops failed to kill|Machine halted|bad mode`), kinds: []Kind{Oops, BUG, KASAN}, died: true},
	{panic: re(`Attempted to kill|Aiee, killing interrupt handler`), kinds: []Kind{Oops, BUG, KASAN}, died: true, limit: 5 * time.Second},
	{panic: re(`hung_task: blocked tasks`), kinds: []Kind{HungTask}, first: true},
	{panic: re(`softlockup: hung tasks|Hard LOCKUP|workqueue: .*stall`), kinds: []Kind{Lockup}},
	{panic: re(`RCU Stall`), kinds: []Kind{RCUStall}},
	{panic: re(`scheduling while atomic`), kinds: []Kind{BUG}},
	{panic: re(`System is deadlocked on memory`), kinds: []Kind{OOM}},
}

// atOnce is the longest time between the reports of one check of all tasks.
const atOnce = time.Second

// cause returns the fault that made the kernel panic, if the panic is an echo of one.
func (f *faults) cause(line string, now moment) *Event {
	for _, echo := range echoes {
		if !echo.panic.MatchString(line) {
			continue
		}
		limit := echo.limit
		if limit == 0 {
			limit = soon
		}
		var cause *fault
		for _, one := range slices.Backward(f.past) {
			if !slices.Contains(echo.kinds, one.event.Kind) || echo.died && !one.died || !one.last.before(now, limit) {
				continue
			}
			if cause == nil || one.last.before(cause.last, atOnce) {
				cause = one
			}
			if !echo.first {
				break
			}
		}
		if cause == nil {
			return nil
		}
		return cause.event
	}
	return nil
}
