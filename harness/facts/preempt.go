// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// contexts are statements about what may interrupt a running program.
func contexts() []Statement {
	return []Statement{
		{
			ID:     "wakeup-interrupts-program",
			Text:   "The wake-up is an interrupt that comes in the middle of the program that outputs; with BPF_F_TEST_RUN_ON_CPU of another CPU it comes after the program.",
			Source: elixir("6.12", "net/bpf/test_run.c", "bpf_prog_test_run_raw_tp()"),
			run:    wakeupInterrupts,
		},
		{
			ID:     "wakeup-runs-in",
			Text:   "The wake-up of either transport runs in an interrupt of the thread that outputs; on a PREEMPT_RT kernel in the thread irq_work/N of its CPU.",
			Source: elixir("6.12", "kernel/irq_work.c", "__irq_work_queue_local()"),
			run:    checkWakers,
		},
		{
			ID:     "perf-wakeup-untraced",
			Text:   "A program at a tracepoint, as sched_waking, is not run for the wake-up of a perf ring, as it is for that of a ring buffer. One at the raw tracepoint is run for both.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_pending_irq()"),
			run:    checkTracedWakeups,
		},
		{
			ID:     "syscall-tracepoint-preempted",
			Text:   "A program at a system call's tracepoint is not preempted; since 7.2 it is, by a kernel that preempts itself, and what it assembles in memory of its CPU may be torn.",
			Source: elixir("6.13", "kernel/trace/trace_syscalls.c", "perf_syscall_enter()"),
			run:    func(t *T) { t.checkPreempted(bySyscallTracepoint, kernel(7, 2, 0)) },
		},
		{
			ID:     "sys-enter-preempted",
			Text:   "A program at the raw tracepoint sys_enter is not preempted; since 7.2 it is, by a kernel that preempts itself.",
			Source: elixir("6.13", "include/trace/bpf_probe.h", "__BPF_DECLARE_TRACE_SYSCALL()"),
			run:    func(t *T) { t.checkPreempted(bySysEnter, kernel(7, 2, 0)) },
		},
		{
			ID:     "raw-tracepoint-preempted",
			Text:   "A program at a raw tracepoint that is no system call's is not preempted; since 7.0 it is, by a kernel that preempts itself.",
			Source: elixir("6.12", "include/linux/tracepoint.h", "__DO_TRACE()"),
			run:    func(t *T) { t.checkPreempted(byWait, kernel(7, 0, 0)) },
		},
		{
			ID:     "nested-program-skipped",
			Text:   "A program at a tracepoint or kprobe that is hit while another such program runs on the CPU is skipped. No errno and no reader tells of it.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "trace_call_bpf()"),
			run: func(t *T) {
				_, nested := t.nest(hookOfTask)
				t.check("by its output, more runs", 0, nested)
			},
		},
		{
			ID:     "nested-program-counted",
			Text:   "The kernel counts such a skipped run in recursion_misses of the program.",
			Source: elixir("6.7", "kernel/trace/bpf_trace.c", "trace_call_bpf()"),
			Since:  kernel(6, 7, 0),
			run: func(t *T) {
				inner, _ := t.nest(hookOfTask)
				misses := t.misses(inner)
				if misses == 0 {
					t.absent(errors.New("recursion_misses stays 0"))
				}
				t.check("recursion_misses", 1, misses)
			},
		},
		{
			ID:     "nested-in-system-call",
			Text:   "A program that is hit while one at a system call's tracepoint runs on the CPU is skipped; since 7.2 it is not.",
			Source: elixir("6.12", "kernel/trace/trace_syscalls.c", "perf_call_bpf_enter()"),
			run: func(t *T) {
				want := 0
				if t.kernel >= kernel(7, 2, 0) {
					want = 1
				}
				_, nested := t.nest(hookOfSystemCall)
				t.check("by its output, more runs", want, nested)
			},
		},
	}
}

// onCPUFlag is BPF_F_TEST_RUN_ON_CPU.
const onCPUFlag = 1

func wakeupInterrupts(t *T) {
	interrupts := t.scratch(8)
	count := t.load("interrupts", append(addOne(interrupts), asm.Mov.Imm(asm.R0, 0), asm.Return()))
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "irq_work_entry", Program: count})
	if errors.Is(err, unix.ENOENT) {
		t.cannot("this kernel has no tracepoint irq_work_entry")
	}
	t.must("attach", err)
	t.after(attached.Close)
	ring := t.ring(page, 0)
	ring.wait()
	bulk := t.scratch(scratchBytes)
	program := t.load("wakes", asm.Instructions{
		asm.LoadMapPtr(asm.R1, ring.FD()),
		asm.LoadMapValue(asm.R2, bulk.FD(), 0),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, forceWakeup),
		asm.LoadMapValue(asm.R6, interrupts.FD(), 0),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
		asm.FnRingbufOutput.Call(),
		asm.LoadMapValue(asm.R1, bulk.FD(), 0),
		asm.Mov.Imm(asm.R2, scratchBytes),
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.FnProbeReadKernel.Call(), // for the time that it takes
		asm.LoadMem(asm.R0, asm.R6, 0, asm.DWord),
		asm.Sub.Reg(asm.R0, asm.R7),
		asm.Return(),
	})
	t.check("interrupts before the program ended", 1, t.run(program))
	other := t.cpu(1)
	before := t.read(interrupts)
	got, err := program.Run(&ebpf.RunOptions{Context: [4]uint64{}, Flags: onCPUFlag, CPU: uint32(other)})
	t.must("run program on another CPU", err)
	t.check("on another CPU, before it ended", 0, got)
	t.check("after", true, t.eventually(func() bool { return t.read(interrupts) > before }))
}

// place is where a program waits to be preempted.
type place struct {
	program ebpf.ProgramType
	raw     string // of a raw tracepoint
	trigger func()
}

var (
	bySyscallTracepoint = place{ebpf.TracePoint, "", trigger}
	bySysEnter          = place{ebpf.RawTracepoint, "sys_enter", trigger}
	byWait              = place{ebpf.RawTracepoint, "sched_process_wait", func() { _, _ = unix.Wait4(unix.Getpid(), nil, unix.WNOHANG, nil) }}
)

// checkPreempted expects that a preemptible kernel preempts programs since a version.
func (t *T) checkPreempted(at place, since Version) {
	if model := t.preemption(); t.kernel >= since && model != "full" && model != "lazy" {
		t.cannot("this kernel does not preempt itself, as far as it says: %s", model)
	}
	t.check("preempted", t.kernel >= since, t.preempted(at))
}

// preemption is the kernel's preemption model: none, voluntary, lazy or full, or dynamic,
// where it is chosen at boot and debugfs does not show it. sched_dynamic_show() in
// https://elixir.bootlin.com/linux/v6.13/source/kernel/sched/debug.c
func (t *T) preemption() string {
	text, err := os.ReadFile(filepath.Join(t.mount("debugfs"), "sched/preempt"))
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "(")
		model, _, _ := strings.Cut(rest, ")")
		return model
	}
	// The model is fixed at build time: uname(2) shows it.
	version := t.version()
	for _, known := range []struct{ word, model string }{
		{"PREEMPT_DYNAMIC", "dynamic"}, {"PREEMPT_LAZY", "lazy"}, {"PREEMPT", "full"},
	} {
		if strings.Contains(version, known.word) {
			return known.model
		}
	}
	return "voluntary"
}

// version is that of uname(2): how and when the kernel was built.
func (t *T) version() string {
	var uts unix.Utsname
	t.must("read version", unix.Uname(&uts))
	return unix.ByteSliceToString(uts.Version[:])
}

// preemptTurns is how long a program waits to be preempted: many times the time slice of
// a thread. It is not a time, because time passes while an emulated machine waits for its
// host, and no thread is preempted then.
const preemptTurns = 64

// preempted makes a program wait for a flag that another thread sets on the same CPU, and
// reports whether that thread ran.
func (t *T) preempted(at place) bool {
	flags := t.newMap(ebpf.MapSpec{
		Name: "flags", Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE,
	})
	program, err := tryLoad("wait", at.program, slices.Concat(
		asm.Instructions{
			// No other thread waits.
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, -commBytes),
			asm.Mov.Imm(asm.R2, commBytes),
			asm.FnGetCurrentComm.Call(),
			asm.Mov.Imm(asm.R9, noSecond),
			asm.LoadMem(asm.R1, asm.RFP, -commBytes, asm.DWord),
			asm.LoadImm(asm.R2, int64(t.nameThread()), asm.DWord),
			asm.JNE.Reg(asm.R1, asm.R2, "end"),
			asm.LoadMapValue(asm.R6, flags.FD(), 0),
			asm.LoadMem(asm.R1, asm.R6, 0, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, "end"), // once
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
		},
		t.wait(flags, preemptTurns),
		asm.Instructions{
			asm.StoreMem(asm.R6, 0, asm.R9, asm.DWord).WithSymbol("waited"),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	))
	t.must("load program", err)
	t.after(program.Close)
	other := t.rival(flags)
	t.attachAt(at, program)
	at.trigger()
	t.must("other thread", other())
	switch answer := t.read(flags); answer {
	case released:
		return true
	case noSecond:
		return false
	}
	t.end(errors.New("the program did not run"))
	return false
}

// commBytes is TASK_COMM_LEN.
const commBytes = 16

// nameThread gives this thread, which ends with the experiment, a unique name, and
// returns it as a program reads it. A thread id does not work: a program sees that of the
// initial pid namespace, which differs in a container.
func (t *T) nameThread() uint64 {
	name, err := nameThread()
	t.must("name thread", err)
	return name
}

func nameThread() (uint64, error) {
	name := fmt.Appendf(nil, "%08x\x00", rand.Uint32())
	err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	return binary.NativeEndian.Uint64(name), err
}

// rival starts a thread on this CPU that sets the second flag once the first is
// set. The result waits for its end, as the end of the experiment does.
func (t *T) rival(flags *ebpf.Map) (end func() error) {
	cpu := t.onCPU(0)
	started, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	value := t.mmap(flags.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE)
	go func() {
		ended <- onThread(cpu, func() error {
			close(started)
			for atomic.LoadUint64(word(value)) == 0 {
				select {
				case <-stop:
					return nil
				default:
				}
			}
			atomic.StoreUint64(word(value[8:]), 1)
			return nil
		})
	}()
	select {
	case <-started:
	case err := <-ended:
		t.must("start thread", err)
	}
	end = sync.OnceValue(func() error {
		close(stop)
		return <-ended
	})
	t.after(end) // before the mapping that the thread reads is removed
	return end
}

// attachAt attaches a program until the end of the experiment.
func (t *T) attachAt(at place, program *ebpf.Program) {
	if at.raw != "" {
		attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: at.raw, Program: program})
		t.must("attach", err)
		t.after(attached.Close)
		return
	}
	t.setProgram(t.tracepoint(triggerGroup, triggerName), program)
}
