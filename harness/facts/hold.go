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
	"golang.org/x/sys/unix"
)

// released is the result of a program that was signalled to release its reservation.
const released = 3

// errHold is returned if a reservation was not held until its release was signalled.
var errHold = errors.New("the program did not hold its reservation")

// A program cannot sleep, and on 5.10 the verifier follows each turn of a loop. So the
// program waits by large copies, one instruction each, and checks the flag between them.
const (
	waitBytes = 3 << 20
	waitLimit = 20 * time.Second
	holdTurns = 4000
)

// wait makes a program wait until the second word of flags is not 0, for [waitLimit] and
// so many turns at most. Each turn copies [waitBytes] twice. R6 points to the flags. R9
// is set to released, or is unchanged. R8 is clobbered.
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
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R8, 0),
		},
		again, copyIt,
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, "told"),
			asm.FnKtimeGetNs.Call(),
			asm.LoadMem(asm.R1, asm.RFP, -8, asm.DWord),
			asm.Sub.Reg(asm.R0, asm.R1),
			asm.RSh.Imm(asm.R0, 10), // a limit in nanoseconds would be too large for an instruction
			asm.JGT.Imm(asm.R0, int32(waitLimit>>10), "waited"),
			asm.Add.Imm(asm.R8, 1),
			asm.JLT.Imm(asm.R8, turns, "turn"),
			asm.Ja.Label("waited"),
			asm.Mov.Imm(asm.R9, released).WithSymbol("told"),
		},
	)
}

// holdProgram reserves 8 bytes, sets the first flag, waits for the second and
// submits.
func (t *T) holdProgram(to, flags *ebpf.Map) *ebpf.Program {
	return t.load("hold", slices.Concat(
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, to.FD()),
			asm.Mov.Imm(asm.R2, 8),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
			asm.JNE.Imm(asm.R0, 0, "held"),
			asm.Mov.Imm(asm.R0, noFirst),
			asm.Return(),
			asm.Mov.Reg(asm.R7, asm.R0).WithSymbol("held"),
			asm.Mov.Imm(asm.R9, noSecond), // the result if no release is signalled
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R7, 0, asm.R1, asm.DWord),
			asm.LoadMapValue(asm.R6, flags.FD(), 0),
			asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
		},
		t.wait(flags, holdTurns),
		asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("waited"),
			asm.Mov.Imm(asm.R2, 0),
			asm.FnRingbufSubmit.Call(),
			asm.Mov.Reg(asm.R0, asm.R9),
			asm.Return(),
		},
	))
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
