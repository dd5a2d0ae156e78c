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

// contexts are statements about what may come in between while a program runs.
func contexts() []Statement {
	return []Statement{
		{
			ID:     "wakeup-interrupts-program",
			Text:   "The wake-up is an interrupt that comes in the middle of the program that outputs; with BPF_F_TEST_RUN_ON_CPU of another CPU it comes after the program.",
			Source: elixir("6.12", "net/bpf/test_run.c", "bpf_prog_test_run_raw_tp()"),
			run:    wakeupInterrupts,
		},
		{
			ID:     "syscall-tracepoint-preempted",
			Text:   "A program at a system call's tracepoint is not preempted; since 7.2 it is, by a kernel that preempts itself, and what it assembles in memory of its CPU may be torn.",
			Source: elixir("6.13", "kernel/trace/trace_syscalls.c", "perf_syscall_enter()"),
			run:    func(l *lab) { l.checkPreempted(bySyscallTracepoint, kernel(7, 2, 0)) },
		},
		{
			ID:     "sys-enter-preempted",
			Text:   "A program at the raw tracepoint sys_enter is not preempted; since 7.2 it is, by a kernel that preempts itself.",
			Source: elixir("6.13", "include/trace/bpf_probe.h", "__BPF_DECLARE_TRACE_SYSCALL()"),
			run:    func(l *lab) { l.checkPreempted(bySysEnter, kernel(7, 2, 0)) },
		},
		{
			ID:     "raw-tracepoint-preempted",
			Text:   "A program at a raw tracepoint that is no system call's is not preempted; since 7.0 it is, by a kernel that preempts itself.",
			Source: elixir("6.12", "include/linux/tracepoint.h", "__DO_TRACE()"),
			run:    func(l *lab) { l.checkPreempted(byWait, kernel(7, 0, 0)) },
		},
		{
			ID:     "nested-program-skipped",
			Text:   "A program at a tracepoint or kprobe that is hit while another such program runs on the CPU is skipped. No errno and no reader tells of it.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "trace_call_bpf()"),
			run: func(l *lab) {
				_, nested := l.nest(hookOfTask)
				l.check("by its output, more runs", 0, nested)
			},
		},
		{
			ID:     "nested-program-counted",
			Text:   "The kernel counts such a skipped run in recursion_misses of the program.",
			Source: elixir("6.7", "kernel/trace/bpf_trace.c", "trace_call_bpf()"),
			Since:  kernel(6, 7, 0),
			run: func(l *lab) {
				inner, _ := l.nest(hookOfTask)
				misses := l.misses(inner)
				if misses == 0 {
					l.absent(errors.New("recursion_misses stays 0"))
				}
				l.check("recursion_misses", 1, misses)
			},
		},
		{
			ID:     "nested-in-system-call",
			Text:   "A program that is hit while one at a system call's tracepoint runs on the CPU is skipped; since 7.2 it is not.",
			Source: elixir("6.12", "kernel/trace/trace_syscalls.c", "perf_call_bpf_enter()"),
			run: func(l *lab) {
				want := 0
				if l.kernel >= kernel(7, 2, 0) {
					want = 1
				}
				_, nested := l.nest(hookOfSystemCall)
				l.check("by its output, more runs", want, nested)
			},
		},
	}
}

// onCPUFlag is BPF_F_TEST_RUN_ON_CPU.
const onCPUFlag = 1

func wakeupInterrupts(l *lab) {
	interrupts := l.scratch(8)
	count := l.load("interrupts", append(addOne(interrupts), asm.Mov.Imm(asm.R0, 0), asm.Return()))
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "irq_work_entry", Program: count})
	if errors.Is(err, unix.ENOENT) {
		l.cannot("this kernel has no tracepoint irq_work_entry")
	}
	l.must("attach", err)
	l.after(attached.Close)
	ring := l.ring(page, 0)
	ring.wait()
	bulk := l.scratch(scratchBytes)
	program := l.load("wakes", asm.Instructions{
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
	l.check("interrupts before the program ended", 1, l.run(program))
	other := l.cpu(1)
	before := l.read(interrupts)
	got, err := program.Run(&ebpf.RunOptions{Context: [4]uint64{}, Flags: onCPUFlag, CPU: uint32(other)})
	l.must("run program on another CPU", err)
	l.check("on another CPU, before it ended", 0, got)
	l.check("after", true, l.eventually(func() bool { return l.read(interrupts) > before }))
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

// checkPreempted expects that a program is preempted since a version, by a kernel
// that preempts at all.
func (l *lab) checkPreempted(at place, since Version) {
	if model := l.preemption(); l.kernel >= since && model != "full" && model != "lazy" {
		l.cannot("this kernel does not preempt itself, as far as it says: %s", model)
	}
	l.check("preempted", l.kernel >= since, l.preempted(at))
}

// preemption is how the kernel preempts itself: none, voluntary, lazy or full, or
// dynamic, where that is chosen at boot and debugfs does not say it.
// sched_dynamic_show() in
// https://elixir.bootlin.com/linux/v6.13/source/kernel/sched/debug.c
func (l *lab) preemption() string {
	text, err := os.ReadFile(filepath.Join(l.mount("debugfs"), "sched/preempt"))
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "(")
		model, _, _ := strings.Cut(rest, ")")
		return model
	}
	// Chosen when the kernel was built: uname(2) says which.
	var uts unix.Utsname
	l.must("read version", unix.Uname(&uts))
	version := unix.ByteSliceToString(uts.Version[:])
	for _, known := range []struct{ word, model string }{
		{"PREEMPT_DYNAMIC", "dynamic"}, {"PREEMPT_LAZY", "lazy"}, {"PREEMPT", "full"},
	} {
		if strings.Contains(version, known.word) {
			return known.model
		}
	}
	return "voluntary"
}

// preemptTurns is how long a program waits to be preempted: many times what a
// thread runs before it is another's turn. They are no time: that goes on while an
// emulated machine waits for its host, and nobody is preempted then.
const preemptTurns = 64

// preempted has a program wait for a flag that another thread sets on the same CPU,
// and reports whether that thread got to it.
func (l *lab) preempted(at place) bool {
	flags := l.newMap(ebpf.MapSpec{
		Name: "flags", Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE,
	})
	program, err := tryLoad("wait", at.program, slices.Concat(
		asm.Instructions{
			// Nobody else is to wait.
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, -commBytes),
			asm.Mov.Imm(asm.R2, commBytes),
			asm.FnGetCurrentComm.Call(),
			asm.Mov.Imm(asm.R9, noSecond),
			asm.LoadMem(asm.R1, asm.RFP, -commBytes, asm.DWord),
			asm.LoadImm(asm.R2, int64(l.nameThread()), asm.DWord),
			asm.JNE.Reg(asm.R1, asm.R2, "end"),
			asm.LoadMapValue(asm.R6, flags.FD(), 0),
			asm.LoadMem(asm.R1, asm.R6, 0, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, "end"), // once
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
		},
		l.wait(flags, preemptTurns),
		asm.Instructions{
			asm.StoreMem(asm.R6, 0, asm.R9, asm.DWord).WithSymbol("waited"),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	))
	l.must("load program", err)
	l.after(program.Close)
	other := l.rival(flags)
	l.attachAt(at, program)
	at.trigger()
	l.must("other thread", other())
	switch answer := l.read(flags); answer {
	case released:
		return true
	case noSecond:
		return false
	}
	l.end(errors.New("the program did not run"))
	return false
}

// commBytes is TASK_COMM_LEN.
const commBytes = 16

// nameThread gives this thread, which ends with the experiment, a name that no other has,
// and returns it as a program reads it. Its number would not do: a program has that of the
// first pid namespace, and in a container ours is another.
func (l *lab) nameThread() uint64 {
	name := fmt.Appendf(nil, "%08x\x00", rand.Uint32())
	l.must("name thread", unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0))
	return binary.NativeEndian.Uint64(name)
}

// rival starts a thread on this CPU that sets the second flag once the first is
// set. The result waits for its end, as the end of the experiment does.
func (l *lab) rival(flags *ebpf.Map) (end func() error) {
	cpu := l.onCPU(0)
	started, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	value := l.mmap(flags.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE)
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
		l.must("start thread", err)
	}
	end = sync.OnceValue(func() error {
		close(stop)
		return <-ended
	})
	l.after(end) // before the mapping goes that the thread looks at
	return end
}

// attachAt attaches a program until the end of the experiment.
func (l *lab) attachAt(at place, program *ebpf.Program) {
	if at.raw != "" {
		attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: at.raw, Program: program})
		l.must("attach", err)
		l.after(attached.Close)
		return
	}
	l.setProgram(l.tracepoint(triggerGroup, triggerName), program)
}
