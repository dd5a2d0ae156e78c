// SPDX-License-Identifier: MIT

package facts

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// dynptrMax is DYNPTR_MAX_SIZE, the largest size of a dynptr:
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/bpf.h
const dynptrMax = 1<<24 - 1

func ringDynptr(t *T) {
	ring := t.ring(page, 0)
	reserve := t.dynptrProgram(ring.Map)
	checkAll(t, "reserve 8, 100 and 4080 bytes, and 5000 of a page", []int{8, 100, 4080, 5000},
		func(n int) any { return n < page },
		func(n int) any {
			got := reserve(n) == 0
			for _, rec := range ring.read() {
				if rec.length != n {
					t.check("length", n, rec.length)
				}
			}
			return got
		})
}

func ringDynptrRefused(t *T) {
	ring := t.ring(page, 0)
	reserve := t.dynptrProgram(ring.Map)
	t.check("of a whole page", nil, reserve(page-2*headerSize))
	t.check("of the full ring", unix.EINVAL, reserve(8))
	t.check("of 16 MiB - 1", unix.EINVAL, reserve(dynptrMax))
	t.check("of 16 MiB", unix.E2BIG, reserve(dynptrMax+1))
	t.check("bytes produced", ringFootprint(page-2*headerSize), ring.produced())
	ring.read()
	t.check("when all is read", nil, reserve(8))

	code := slices.Concat(reserveDynptr(ring.Map), asm.Instructions{
		asm.JNE.Imm(asm.R6, 0, "refused"),
	}, releaseDynptr(asm.FnRingbufSubmitDynptr), asm.Instructions{
		asm.Mov.Imm(asm.R0, 0).WithSymbol("refused"),
		asm.Return(),
	})
	p, err := tryLoad("unreleased", ebpf.RawTracepoint, code)
	if err == nil {
		t.closeNow(p)
	}
	t.check("load a program that does not release what was refused", unix.EINVAL, err)
}

// dynptrProgram returns a function that reserves so many bytes and submits them. If they
// are refused, it discards the dynptr.
func (t *T) dynptrProgram(to *ebpf.Map) (reserve func(size int) unix.Errno) {
	discard := releaseDynptr(asm.FnRingbufDiscardDynptr)
	discard[0] = discard[0].WithSymbol("refused")
	end := asm.Instructions{asm.Mov.Reg(asm.R0, asm.R6), asm.Return()}
	program := t.loadNew("dynptr", slices.Concat(
		reserveDynptr(to),
		asm.Instructions{asm.JNE.Imm(asm.R6, 0, "refused")},
		releaseDynptr(asm.FnRingbufSubmitDynptr), end,
		discard, end,
	))
	return func(size int) unix.Errno { return errno(t.run(program, uint64(size))) }
}

// dynptrAt is the place of the dynptr on the stack.
func dynptrAt(into asm.Register) asm.Instructions {
	return asm.Instructions{asm.Mov.Reg(into, asm.RFP), asm.Add.Imm(into, -16)}
}

// reserveDynptr reserves as many bytes as the first argument says, with the result in R6.
func reserveDynptr(to *ebpf.Map) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			argument(asm.R2, 0),
			asm.LoadMapPtr(asm.R1, to.FD()),
			asm.Mov.Imm(asm.R3, 0),
		},
		dynptrAt(asm.R4),
		asm.Instructions{
			asm.FnRingbufReserveDynptr.Call(),
			asm.Mov.Reg(asm.R6, asm.R0),
		},
	)
}

// releaseDynptr submits or discards it.
func releaseDynptr(by asm.BuiltinFunc) asm.Instructions {
	return append(dynptrAt(asm.R1), asm.Mov.Imm(asm.R2, 0), by.Call())
}
