// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// checkWakers compares the threads in which a wake-up runs. An interrupt runs in the
// thread that it interrupts: the one that outputs.
func checkWakers(t *T) {
	want := "the thread that outputs"
	if t.realtime() {
		want = "irq_work/N"
	}
	ring, perf := t.wakeups()
	t.check("of a ring buffer", want, ring.thread)
	t.check("of a perf ring", want, perf.thread)
}

// checkTracedWakeups compares what programs at the same tracepoint see of wake-ups.
func checkTracedWakeups(t *T) {
	if t.realtime() {
		t.cannot("a PREEMPT_RT kernel, whose wake-ups run in a thread")
	}
	ring, perf := t.wakeups()
	t.check("of a ring buffer, runs at the raw tracepoint", 1, ring.raw)
	t.check("at the tracepoint", 1, ring.traced)
	t.check("of a perf ring, runs at the raw tracepoint", 1, perf.raw)
	t.check("at the tracepoint", 0, perf.traced)
}

// realtime reports whether the kernel is PREEMPT_RT.
func (t *T) realtime() bool { return strings.Contains(t.version(), "PREEMPT_RT") }

// waking is what programs at the tracepoint sched_waking saw of a wake-up: how often each
// ran for it, and in which thread.
type waking struct {
	raw, traced uint64
	thread      string
}

// wakeups are those by an output to a ring buffer and to a perf ring.
func (t *T) wakeups() (ofRing, ofPerf waking) {
	cpu := t.onCPU(0)
	ring := t.ring(page, 0)
	ofRing = t.waking(ring.FD(), t.output(ring.Map))
	array := t.perfArray()
	perf := t.perfRing(array, cpu, page, bpfOutput())
	return ofRing, t.waking(perf.fd(), t.output(array))
}

// Offsets in the map of the programs that see a wake-up.
const (
	wakingArmed  = 0 // whether the next wake-up is the one: the runtime wakes the reader too
	wakingTask   = 8 // the reader
	wakingRaw    = 16
	wakingTraced = 24
	wakingThread = 32
	wakingBytes  = wakingThread + commBytes
)

// waking puts a reader to sleep on this CPU, outputs, and returns what was seen.
func (t *T) waking(fd int, output output) waking {
	self := t.nameThread()
	seen := t.newMap(ebpf.MapSpec{Name: "waking", Type: ebpf.Array, KeySize: 4, ValueSize: wakingBytes, MaxEntries: 1})
	reader, woken := t.sleeper(fd, seen)
	// The probe of the tracepoint comes first, so that both see the same wake-up: probes
	// run in the order in which they were registered. func_add() in
	// https://elixir.bootlin.com/linux/v6.12/source/kernel/tracepoint.c
	t.setProgram(t.tracepoint("sched", "sched_waking"), t.loadAs(ebpf.TracePoint, "traced", slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 8, asm.DWord), // the name, behind what all tracepoints have
			asm.LoadImm(asm.R2, int64(reader.name), asm.DWord),
		},
		countArmed(seen, wakingTraced),
		asm.Instructions{
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	)))
	t.attachAt(place{raw: "sched_waking"}, t.load("raw", slices.Concat(
		asm.Instructions{
			argument(asm.R1, 0), // the task
			asm.LoadMapValue(asm.R2, seen.FD(), wakingTask),
			asm.LoadMem(asm.R2, asm.R2, 0, asm.DWord),
		},
		countArmed(seen, wakingRaw),
		asm.Instructions{
			asm.Mov.Imm(asm.R1, 0),
			asm.StoreMem(asm.R6, wakingArmed, asm.R1, asm.DWord),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Add.Imm(asm.R1, wakingThread),
			asm.Mov.Imm(asm.R2, commBytes),
			asm.FnGetCurrentComm.Call(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	)))
	if !t.eventually(func() bool { return sleeps(reader.id) }) {
		t.end(errors.New("the reader does not sleep"))
	}
	value := make([]byte, wakingBytes)
	t.must("read", seen.Lookup(uint32(0), value))
	*word(value[wakingArmed:]) = 1
	t.must("arm", seen.Put(uint32(0), value))
	t.ok(output(8, 0))
	t.must("wait for the reader", <-woken)
	t.must("read", seen.Lookup(uint32(0), value))
	saw := waking{raw: *word(value[wakingRaw:]), traced: *word(value[wakingTraced:])}
	switch comm := unix.ByteSliceToString(value[wakingThread:]); {
	case *word(value[wakingThread:]) == self:
		saw.thread = "the thread that outputs"
	case comm == fmt.Sprintf("irq_work/%d", t.cpu(0)):
		saw.thread = "irq_work/N"
	default:
		saw.thread = strconv.Quote(comm)
	}
	return saw
}

// countArmed counts if the map is armed and R1 and R2 are equal, or jumps to the end. R6
// points to the map's value then.
func countArmed(seen *ebpf.Map, offset int16) asm.Instructions {
	return asm.Instructions{
		asm.JNE.Reg(asm.R1, asm.R2, "end"),
		asm.LoadMapValue(asm.R6, seen.FD(), 0),
		asm.LoadMem(asm.R1, asm.R6, wakingArmed, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "end"),
		asm.LoadMem(asm.R1, asm.R6, offset, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R6, offset, asm.R1, asm.DWord),
	}
}

// sleeper is a thread that waits for a wake-up.
type sleeper struct {
	id   int
	name uint64
}

// sleeper starts a thread on this CPU that waits for a descriptor, and writes the address
// of its task to a map. Its end is that of the wait.
func (t *T) sleeper(fd int, seen *ebpf.Map) (reader sleeper, woken chan error) {
	epoll := t.epoll(fd)
	program := t.load("self", asm.Instructions{
		asm.FnGetCurrentTask.Call(),
		asm.LoadMapValue(asm.R1, seen.FD(), wakingTask),
		asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	})
	started, woken := make(chan sleeper, 1), make(chan error, 1)
	go func() {
		woken <- onThread(t.cpu(0), func() error {
			name, err := nameThread()
			if err == nil {
				_, err = runProgram(program)
			}
			if err != nil {
				return err
			}
			started <- sleeper{unix.Gettid(), name}
			return waitWoken(epoll)
		})
	}()
	select {
	case reader = <-started:
	case err := <-woken:
		t.must("start reader", err)
	}
	return reader, woken
}

// waitWoken sleeps until an epoll set is woken. It is a call of its own: that of the
// library has another number on each architecture.
func waitWoken(epoll int) error {
	var event unix.EpollEvent
	for {
		n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&event)), 1, uintptr(patience.Milliseconds()), 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0:
			return e
		case n == 0:
			return os.ErrDeadlineExceeded
		default:
			return nil
		}
	}
}

// sleeps reports whether a thread of this process sleeps in [waitWoken]. While a thread
// sleeps, the file has the number of its system call in front, and else it has a word.
// proc_pid_syscall() in https://elixir.bootlin.com/linux/v6.12/source/fs/proc/base.c
func sleeps(thread int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", thread))
	return err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d ", unix.SYS_EPOLL_PWAIT))
}
