// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// released is the result of a program that was signalled to release its reservation.
const released = 3

// errHold is returned if a reservation was not held until its release was signalled.
var errHold = errors.New("the program did not hold its reservation")

// A program cannot sleep, and on 5.10 the verifier follows each turn of a loop. So the
// program waits by large copies, one instruction each, and checks the flag between them.
const waitBytes = 3 << 20

// wait makes a program wait until the second word of flags is not 0, for so many turns at
// most. Each turn copies [waitBytes] twice. R6 points to the flags. R9 is set to
// released, or is unchanged. R8 is clobbered.
func (t *T) wait(flags *ebpf.Map, turns int32) asm.Instructions {
	bulk := t.scratch(waitBytes)
	copyIt := asm.Instructions{
		asm.LoadMapValue(asm.R1, bulk.FD(), 0),
		asm.Mov.Imm(asm.R2, waitBytes),
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.FnProbeReadKernel.Call(),
	}
	again := slices.Clone(copyIt)
	again[0] = again[0].WithSymbol("turn")
	return slices.Concat(
		asm.Instructions{
			asm.LoadMapValue(asm.R6, flags.FD(), 0),
			asm.Mov.Imm(asm.R8, 0),
		},
		again, copyIt,
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, "told"),
			asm.Add.Imm(asm.R8, 1),
			asm.JLT.Imm(asm.R8, turns, "turn"),
			asm.Ja.Label("waited"),
			asm.Mov.Imm(asm.R9, released).WithSymbol("told"),
		},
	)
}

// A reservation is held until its release is signalled, or for holdLimit: a kernel
// complains of a CPU that does nothing else for 21 s (CONFIG_RCU_CPU_STALL_TIMEOUT). The
// limit is a time and no count, because turns that are short on a fast machine end before
// a thread that the program keeps from its CPU was moved to another. They are counted in
// calls of a global function, which the verifier follows once and not at each call.
//
// check_func_call() in https://elixir.bootlin.com/linux/v5.10/source/kernel/bpf/verifier.c
const (
	holdLimit = 20 * time.Second
	holdTurns = 128     // of a call: 30 ms on a fast machine
	holdCalls = 1 << 11 // the verifier puts aside two branches of each, BPF_COMPLEXITY_LIMIT_JMP_SEQ at most
)

// holdProgram reserves 8 bytes, sets the first flag, waits for the second and
// submits.
func (t *T) holdProgram(to, flags *ebpf.Map) *ebpf.Program {
	code := slices.Concat(
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, to.FD()),
			asm.Mov.Imm(asm.R2, 8),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
			asm.JNE.Imm(asm.R0, 0, "held"),
			asm.Mov.Imm(asm.R0, noFirst),
			asm.Return(),
			asm.Mov.Reg(asm.R7, asm.R0).WithSymbol("held"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R7, 0, asm.R1, asm.DWord),
			asm.LoadMapValue(asm.R6, flags.FD(), 0),
			asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
			asm.FnKtimeGetNs.Call(),
			asm.Mov.Reg(asm.R6, asm.R0),
			asm.Mov.Imm(asm.R8, 0),
			asm.Call.Label("wait").WithSymbol("call"),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.JEq.Imm(asm.R9, released, "submit"),
			asm.FnKtimeGetNs.Call(),
			asm.Sub.Reg(asm.R0, asm.R6),
			asm.RSh.Imm(asm.R0, 10), // a limit in nanoseconds would be too large for an instruction
			asm.JGT.Imm(asm.R0, int32(holdLimit>>10), "submit"),
			asm.Add.Imm(asm.R8, 1),
			asm.JLT.Imm(asm.R8, holdCalls, "call"),
			asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("submit"),
			asm.Mov.Imm(asm.R2, 0),
			asm.FnRingbufSubmit.Call(),
			asm.Mov.Reg(asm.R0, asm.R9),
			asm.Return(),
		},
		globalFunction("wait", slices.Concat(
			asm.Instructions{asm.Mov.Imm(asm.R9, noSecond)}, // the result if no release is signalled
			t.wait(flags, holdTurns),
			asm.Instructions{
				asm.Mov.Reg(asm.R0, asm.R9).WithSymbol("waited"),
				asm.Return(),
			},
		)),
	)
	return t.load("hold", withFunction("hold", code))
}

// globalFunction is a function without parameters that returns an int, which the verifier
// follows once, and on its own.
func globalFunction(name string, code asm.Instructions) asm.Instructions {
	code[0] = code[0].WithSymbol(name)
	return withFunction(name, code)
}

// withFunction gives code the BTF of a global function. A program of several functions
// has that of each, or of none.
func withFunction(name string, code asm.Instructions) asm.Instructions {
	result := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	code[0] = btf.WithFuncMetadata(code[0], &btf.Func{Name: name, Type: &btf.FuncProto{Return: result}, Linkage: btf.GlobalFunc})
	return code
}

// onThread calls f on a thread of its own, on that CPU.
func onThread(cpu int, f func() error) error {
	runtime.LockOSThread() // and never unlocks: the goroutine must end here
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("move to a CPU: %w", err)
	}
	return f()
}
