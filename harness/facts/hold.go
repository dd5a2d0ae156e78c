package facts

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// released is the answer of a program that was told to let go.
const released = 3

// errHold is a reservation that was not held until it was told to be let go.
var errHold = errors.New("the program did not hold its reservation")

// A program cannot sleep, and on 5.10 the verifier follows each turn of a loop. So
// it waits by copying a lot, which is one instruction, and looks between copies.
const (
	holdBytes = 3 << 20
	holdTurns = 4000
)

// holdProgram reserves 8 bytes, sets the first flag, waits for the second and
// submits.
func (l *lab) holdProgram(to, flags *ebpf.Map) *ebpf.Program {
	bulk := l.scratch(holdBytes)
	return l.load("hold", asm.Instructions{
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
		asm.Mov.Imm(asm.R8, 0),
		asm.Mov.Imm(asm.R9, noSecond), // the answer, if nobody says stop
		asm.LoadMapValue(asm.R1, bulk.FD(), 0).WithSymbol("turn"),
		asm.Mov.Imm(asm.R2, holdBytes),
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.JNE.Imm(asm.R1, 0, "told"),
		asm.Add.Imm(asm.R8, 1),
		asm.JLT.Imm(asm.R8, holdTurns, "turn"),
		asm.Ja.Label("submit"),
		asm.Mov.Imm(asm.R9, released).WithSymbol("told"),
		asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("submit"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Reg(asm.R0, asm.R9),
		asm.Return(),
	})
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
