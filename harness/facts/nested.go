// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// outputFunction is called for each output to the perf buffer.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
const outputFunction = "perf_output_begin"

// hook is a tracepoint, and a function that triggers it on this CPU.
type hook struct {
	group, name string
	trigger     func() error
}

// hookOfSystemCall and hookOfTask are the two kinds of tracepoints that kernels treat
// differently since 7.2.
var (
	hookOfSystemCall = hook{triggerGroup, triggerName, func() error {
		trigger()
		return nil
	}}
	hookOfTask = hook{"task", "task_rename", func() error {
		name := make([]byte, 16) // TASK_COMM_LEN
		defer runtime.KeepAlive(name)
		if err := unix.Prctl(unix.PR_GET_NAME, uintptr(address(name)), 0, 0, 0); err != nil {
			return err
		}
		return unix.Prctl(unix.PR_SET_NAME, uintptr(address(name)), 0, 0, 0)
	}}
)

// nest triggers a program at a kprobe of [outputFunction] by two outputs: that of a
// program without a hook, and that of a program at a hook, in which it is nested. It
// returns the program at the kprobe, and how often the second output ran it.
func (t *T) nest(at hook) (inner *ebpf.Program, nested uint64) {
	array := t.perfArray()
	t.perfRing(array, t.onCPU(0), page, bpfOutput())
	plain := t.output(array)

	innerRuns, outerRuns := t.scratch(8), t.scratch(8)
	ours := t.onlyThisThread()
	inner = t.loadAs(ebpf.Kprobe, "inner", slices.Concat(ours, addOne(innerRuns), asm.Instructions{
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}))
	outer := t.loadAs(ebpf.TracePoint, "outer", slices.Concat(ours, addOne(outerRuns), asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, array.FD()),
		asm.LoadImm(asm.R3, currentCPU, asm.DWord),
		asm.LoadMapValue(asm.R4, outerRuns.FD(), 0),
		asm.Mov.Imm(asm.R5, 8),
		asm.FnPerfEventOutput.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}))
	probe, err := openKprobeOn(outputFunction)
	if errors.Is(err, unix.ENOENT) {
		t.cannot("this kernel has no function %s to probe", outputFunction)
	}
	t.must("open kprobe", err)
	t.after(func() error { return unix.Close(probe) })
	t.setProgram(probe, inner)
	t.setProgram(t.tracepoint(at.group, at.name), outer)

	t.ok(plain(8, 0))
	t.check("by an output without a hook, runs", 1, t.read(innerRuns))
	t.must("trigger", at.trigger())
	t.check("program at the tracepoint, runs", 1, t.read(outerRuns))
	return inner, t.read(innerRuns) - 1
}

// onlyThisThread is the start of a program that keeps its context in R6, and jumps to the
// symbol "end" in any other thread. It compares task addresses, since thread ids depend
// on namespaces.
func (t *T) onlyThisThread() asm.Instructions {
	task := t.scratch(8)
	t.run(t.load("self", asm.Instructions{
		asm.FnGetCurrentTask.Call(),
		asm.LoadMapValue(asm.R1, task.FD(), 0),
		asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	}))
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnGetCurrentTask.Call(),
		asm.LoadMapValue(asm.R1, task.FD(), 0),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord),
		asm.JNE.Reg(asm.R0, asm.R1, "end"),
	}
}

// misses is the number of skipped runs that the kernel reports for a program.
func (t *T) misses(p *ebpf.Program) uint64 {
	info := make([]byte, 512)
	length := t.info(p.FD(), info)
	// The kernel fills the fields that it knows, and returns their size.
	const offset = 208 // of recursion_misses in struct bpf_prog_info
	if length < offset+8 {
		t.absent(fmt.Errorf("bpf_prog_info has %d bytes, and ends before recursion_misses", length))
	}
	return *word(info[offset:])
}
