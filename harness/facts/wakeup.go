// SPDX-License-Identifier: MIT

package facts

import (
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

func wakeup() []Statement {
	return []Statement{
		{
			ID:     "wake-when-caught-up",
			Text:   "Without flags a record wakes the reader if that had read all before it, and only then.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				ring, output := t.waited(0)
				t.ok(output(8, 1))
				t.check("first record wakes", true, ring.woken())
				t.ok(output(8, 2))
				t.check("second, unread first", false, ring.woken())
				ring.read()
				t.ok(output(8, 3))
				t.check("third, all read", true, ring.woken())
			},
		},
		{
			ID:     "no-wakeup-flag",
			Text:   "A record with BPF_RB_NO_WAKEUP wakes nobody, even if the reader had caught up.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				ring, output := t.waited(noWakeup)
				t.ok(output(8, 1))
				t.check("wakes", false, ring.woken())
				t.check("records in the ring", 1, len(ring.read()))
			},
		},
		{
			ID:     "force-wakeup-flag",
			Text:   "A record with BPF_RB_FORCE_WAKEUP wakes, whatever the reader has read.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				ring, output := t.waited(forceWakeup)
				for _, what := range []string{"first wakes", "second, nothing read", "third, nothing read"} {
					t.ok(output(8, 1))
					t.check(what, true, ring.woken())
				}
			},
		},
		{
			ID:     "discard-wakes",
			Text:   "A discarded record wakes the reader as a submitted one does, although there is nothing to read.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				ring := t.ring(page, 0)
				reserve := t.reserveProgram(ring.Map, 8)
				ring.wait()
				t.check("reserve", "reserved", t.reserve(reserve, discardIt, 0))
				t.check("discard wakes", true, ring.woken())
				t.check("records to read", 0, len(ring.read()))
				t.check("reserve", "reserved", t.reserve(reserve, discardIt, noWakeup))
				t.check("with NO_WAKEUP", false, ring.woken())
			},
		},
		{
			ID:     "adaptive-stall",
			Text:   "After one record with NO_WAKEUP that the sleeping reader was not told of, none without flags wakes it any more; FORCE_WAKEUP does.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				t.stall(func(ring *ring) { t.ok(t.outputWith(ring.Map, noWakeup)(8, 0)) })
			},
		},
		{
			ID:     "adaptive-stall-by-discard",
			Text:   "A record discarded with NO_WAKEUP stalls a sleeping reader as a submitted one does.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				t.stall(func(ring *ring) {
					t.check("reserve", "reserved", t.reserve(t.reserveProgram(ring.Map, 8), discardIt, noWakeup))
				})
			},
		},
		{
			ID:     "overwriting-ring-wakes",
			Text:   "A ring buffer with BPF_F_RB_OVERWRITE wakes by the reader's position too, modulo the size of the ring: if the reader does not move it, the first record wakes, and no other, but for one that begins at the same offset again (of those of 112 bytes in a page, every 256th) or has BPF_RB_FORCE_WAKEUP.",
			Source: elixir("6.19", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			Since:  kernel(6, 19, 0),
			run:    overwritingWakes,
		},
		{
			ID:     "stall-ends-by-timeout",
			Text:   "A stalled reader that looks at the ring after a time-out reads all, and is woken again from then on.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_commit()"),
			run: func(t *T) {
				ring, output := t.waited(0)
				t.ok(t.outputWith(ring.Map, noWakeup)(8, 1))
				t.ok(output(8, 2))
				t.check("woken", false, ring.woken())
				t.check("read after the time-out", []uint64{1, 2}, numbers(ring.read()))
				t.ok(output(8, 3))
				t.check("woken by the next", true, ring.woken())
			},
		},
		{
			ID:     "no-wakeup-before-read",
			Text:   "A record with NO_WAKEUP that comes before the reader waits is not seen by an epoll that was set up before it, until the time-out; poll(2), and an epoll set up after it, see it at once.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "ringbuf_map_poll_kern()"),
			run: func(t *T) {
				ring, output := t.waited(noWakeup)
				t.ok(output(8, 1))
				t.check("epoll set up before", false, ring.woken())
				poll := []unix.PollFd{{Fd: int32(ring.FD()), Events: unix.POLLIN}}
				n, err := unix.Poll(poll, 0)
				t.must("poll", err)
				t.check("poll", true, n == 1)
				t.check("epoll set up after", true, t.woken(t.epoll(ring.FD())))
			},
		},
		{
			ID:     "cilium-waits-out-deadline",
			Text:   "The reader of cilium/ebpf does not return a record with NO_WAKEUP from before its Read until its deadline.",
			Source: "https://github.com/cilium/ebpf/blob/v0.22.0/ringbuf/reader.go",
			run:    ciliumWaits,
		},
		{
			ID:     "cilium-spins-on-busy",
			Text:   "The reader of cilium/ebpf spins while the record at its position is held, and honours neither its deadline nor Close.",
			Source: "https://github.com/cilium/ebpf/blob/v0.22.0/ringbuf/reader.go",
			run:    ciliumSpins,
		},
		{
			ID:     "perf-wakeup-events",
			Text:   "A perf ring wakes its reader on every nth record, as the reader asked for when it opened the ring.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Wakeup = 3
				ring := t.perfRing(array, t.onCPU(0), page, attr)
				output := t.output(array)
				ring.wait()
				checkAll(t, "records 1 to 6 wake", upTo(6),
					func(n int) any { return n%3 == 0 },
					func(n int) any { t.ok(output(8, 0)); return ring.woken() })
			},
		},
		{
			ID:     "perf-watermark",
			Text:   "With a watermark a perf ring wakes after more than so many bytes; the last records stay unread until somebody looks.",
			Source: elixir("6.12", "kernel/events/ring_buffer.c", "__perf_output_begin()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Bits |= unix.PerfBitWatermark
				attr.Wakeup = 100 // bytes: of records of 24, it is the fifth that is above
				ring := t.perfRing(array, t.onCPU(0), page, attr)
				output := t.output(array)
				ring.wait()
				checkAll(t, "records 1 to 5 wake", upTo(5),
					func(n int) any { return n*perfFootprint(8) > 100 },
					func(n int) any { t.ok(output(8, 0)); return ring.woken() })
				ring.read()
				t.ok(output(8, 0))
				t.check("one more", false, ring.woken())
				t.check("is in the ring", 1, len(ring.read()))
			},
		},
		{
			ID:     "wake-is-the-producers",
			Text:   "Who wakes the reader is the program's decision for a ring buffer, record by record, and the reader's for a perf ring: bpf_perf_event_output refuses the ring buffer's flags.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "bpf_perf_event_output()"),
			run: func(t *T) {
				array := t.perfArray()
				t.perfRing(array, t.onCPU(0), page, bpfOutput())
				t.check("perf, flags of bits 32 and up", unix.EINVAL, t.outputWith(array, currentCPU|forceWakeup<<32)(8, 0))
				ring := t.ring(page, 0)
				t.check("ring, an unknown flag", unix.EINVAL, t.outputWith(ring.Map, 4)(8, 0))
				t.check("reserve with any flag", "NULL", t.reserve(t.reserveProgram(ring.Map, 8), submitIt, 0, noWakeup))
			},
		},
	}
}

// waited creates a ring buffer that a reader waits for, and a function that outputs to it
// with these flags.
func (t *T) waited(flags uint64) (*ring, output) {
	ring := t.ring(page, 0)
	output := t.outputWith(ring.Map, flags)
	ring.wait()
	return ring, output
}

// stall makes a reader wait, runs a function that must not wake it, and then outputs
// three records without flags.
func (t *T) stall(quiet func(*ring)) {
	ring, output := t.waited(0)
	quiet(ring)
	for n := range uint64(3) {
		t.ok(output(8, 1+n))
	}
	t.check("woken by three more", false, ring.woken())
	t.ok(t.outputWith(ring.Map, forceWakeup)(8, 4))
	t.check("by FORCE_WAKEUP", true, ring.woken())
	all := numbers(ring.read())
	t.check("then the last four read", []uint64{1, 2, 3, 4}, all[len(all)-4:])
}

// deadline is how long the library's reader may wait: long enough to distinguish it from
// an immediate return.
const deadline = 100 * time.Millisecond

func ciliumWaits(t *T) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(page)})
	t.must("make ring buffer", err)
	t.after(m.Close)
	output := t.outputWith(m, noWakeup)
	reader, err := ringbuf.NewReader(m)
	t.must("open reader", err)
	t.after(reader.Close)
	t.ok(output(8, 1))
	begun := time.Now()
	reader.SetDeadline(begun.Add(deadline))
	record, err := reader.Read()
	t.check("waited for its deadline", true, time.Since(begun) >= deadline*9/10)
	t.check("then read", nil, err)
	t.check("bytes", 8, len(record.RawSample))
}

func ciliumSpins(t *T) {
	ring := t.ring(page, 0)
	reader, err := ringbuf.NewReader(ring.Map)
	t.must("open reader", err)
	// Not on the second CPU, where the program that holds the record runs.
	cpu := t.onCPU(0)
	thread, read, closed := make(chan clock, 1), make(chan error), make(chan error)
	var readErr, closeErr error // valid after read, and closed
	t.hold(ring, func() {
		t.ok(t.outputWith(ring.Map, forceWakeup)(8, 2))
		reader.SetDeadline(time.Now().Add(deadline / 10))
		go func() {
			defer close(read)
			readErr = onThread(cpu, func() error {
				thread <- cpuClock(unix.Gettid())
				_, _ = reader.Read() // it must return; the result does not matter
				return nil
			})
		}()
		// The thread does nothing but poll, so its CPU time shows polling.
		var reading clock
		select {
		case reading = <-thread:
		case <-read:
			t.must("pin reader", readErr)
		}
		// Observed ten times, not once over a longer time: while an emulated machine
		// waits for its host, the running thread is charged that time.
		turns, last := 0, reading.read()
		t.check("runs ten deadlines long", true, t.eventually(func() bool {
			if now := reading.read(); now-last >= deadline/10 {
				turns, last = turns+1, now
			}
			return turns == 10
		}))
		t.check("then has returned", false, within(0, read))
		go func() {
			defer close(closed)
			closeErr = reader.Close()
		}()
		t.check("close returns", false, within(deadline/5, closed))
	})
	t.check("submitted, read returns", true, within(patience, read))
	ended := within(patience, closed)
	t.check("and close", true, ended)
	if ended {
		t.must("close reader", closeErr)
	}
}

// clock is the number of a clock.
type clock int32

// cpuClock is the CPU-time clock of a thread. Its id is computed as in
// pthread_getcpuclockid(3):
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/posix-timers_types.h
func cpuClock(thread int) clock {
	const perThread, sched = 4, 2
	return clock(^thread<<3 | perThread | sched)
}

// read is 0 if the thread has ended.
func (c clock) read() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(c), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// within reports whether a channel is closed in time.
func within(limit time.Duration, c <-chan error) bool {
	select {
	case <-c:
		return true
	default:
	}
	select {
	case <-c:
		return true
	case <-time.After(limit):
		return false
	}
}
