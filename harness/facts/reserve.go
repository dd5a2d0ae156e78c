// SPDX-License-Identifier: MIT

package facts

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Results of a program that reserves, and the operations it is given.
const (
	reserved = iota
	noFirst  // the first reservation failed
	noSecond // the second did
)
const (
	submitIt = iota
	discardIt
)

// reserve runs a program that reserves, and names its result.
func (t *T) reserve(p *ebpf.Program, args ...uint64) string {
	return [...]string{"reserved", "NULL", "second NULL"}[t.run(p, args...)]
}

// reserveProgram reserves so many bytes, with flags of its third argument, and submits or
// discards them as the first argument selects, with the flags of the second.
func (t *T) reserveProgram(to *ebpf.Map, size int) *ebpf.Program {
	return t.load("reserve", asm.Instructions{
		argument(asm.R6, 0),
		argument(asm.R7, 1),
		argument(asm.R3, 2),
		asm.LoadMapPtr(asm.R1, to.FD()),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.FnRingbufReserve.Call(),
		asm.JNE.Imm(asm.R0, 0, "reserved"),
		asm.Mov.Imm(asm.R0, noFirst),
		asm.Return(),
		asm.Mov.Reg(asm.R1, asm.R0).WithSymbol("reserved"),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.JNE.Imm(asm.R6, submitIt, "discard"),
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Imm(asm.R0, reserved),
		asm.Return(),
		asm.FnRingbufDiscard.Call().WithSymbol("discard"),
		asm.Mov.Imm(asm.R0, reserved),
		asm.Return(),
	})
}

// reserveTwoProgram reserves both sizes, writes 1 and 2 into them, and submits the
// second before the first.
func (t *T) reserveTwoProgram(to *ebpf.Map, first, second int) *ebpf.Program {
	reserve := func(size int) asm.Instructions {
		return asm.Instructions{
			asm.LoadMapPtr(asm.R1, to.FD()),
			asm.Mov.Imm(asm.R2, int32(size)),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
		}
	}
	code := append(reserve(first),
		asm.JNE.Imm(asm.R0, 0, "first"),
		asm.Mov.Imm(asm.R0, noFirst),
		asm.Return(),
		asm.Mov.Reg(asm.R7, asm.R0).WithSymbol("first"),
	)
	code = append(code, reserve(second)...)
	return t.load("reserve_two", append(code,
		asm.Mov.Reg(asm.R8, asm.R0),
		asm.JNE.Imm(asm.R8, 0, "second"),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Imm(asm.R2, noWakeup),
		asm.FnRingbufDiscard.Call(),
		asm.Mov.Imm(asm.R0, noSecond),
		asm.Return(),
		asm.Mov.Imm(asm.R1, 1).WithSymbol("second"),
		asm.StoreMem(asm.R7, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, 2),
		asm.StoreMem(asm.R8, 0, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R8),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Imm(asm.R0, reserved),
		asm.Return(),
	))
}
