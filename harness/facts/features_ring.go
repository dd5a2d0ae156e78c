// SPDX-License-Identifier: MIT

package facts

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

func ringFeatures() []Statement {
	return []Statement{
		{
			ID:     "ring-dynptr",
			Text:   "A program can reserve a size that it knows only when it runs, by a dynptr.",
			Source: commit("bc34dee65a65", "bpf: Dynptr support for ring buffers"),
			Since:  kernel(5, 19, 0),
			run: func(t *T) {
				ring := t.ring(page, 0)
				program := t.loadNew("dynptr", dynptrCode(ring.Map))
				checkAll(t, "reserve 8, 100 and 4080 bytes, and 5000 of a page", []int{8, 100, 4080, 5000},
					func(n int) any { return n < page },
					func(n int) any {
						got := t.run(program, uint64(n)) == 0
						for _, rec := range ring.read() {
							if rec.length != n {
								t.check("length", n, rec.length)
							}
						}
						return got
					})
			},
		},
		{
			ID:     "ring-overwrite",
			Text:   "A ring buffer made with BPF_F_RB_OVERWRITE refuses nothing, and keeps the newest records; BPF_RB_OVERWRITE_POS says where they begin.",
			Source: elixir("6.19", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			Since:  kernel(6, 19, 0),
			run: func(t *T) {
				m, err := tryRing(page, rbOverwrite)
				if errors.Is(err, unix.EINVAL) {
					t.absent(err)
				}
				t.must("make ring buffer", err)
				t.must("close", m.Close())
				ring := t.ring(page, rbOverwrite)
				output, query := t.output(ring.Map), t.queryProgram(ring.Map)
				refused := 0
				for n := range uint64(100) {
					if output(100, n) != 0 {
						refused++
					}
				}
				t.check("refused of 100, where 36 fit", 0, refused)
				first := t.run(query, overwritePosition)
				t.check("bytes from OVERWRITE_POS to PROD_POS", 36*ringFootprint(100), t.run(query, producerPosition)-first)
				t.check("oldest kept", []uint64{64}, numbers([]record{ring.at(uint64(first))}))
			},
		},
		{
			ID:     "user-ring",
			Text:   "There is a ring buffer in the other direction: user space may write the producer's position and the data, and not the consumer's.",
			Source: commit("583c1f420173", "bpf: Define new BPF_MAP_TYPE_USER_RINGBUF map type"),
			Since:  kernel(6, 1, 0),
			run: func(t *T) {
				m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "user_ring", Type: ebpf.UserRingbuf, MaxEntries: uint32(page)})
				if isRefused(err) {
					t.absent(err)
				}
				t.must("make user ring buffer", err)
				t.after(m.Close)
				t.mmap(m.FD(), page, page+2*page, unix.PROT_READ|unix.PROT_WRITE)
				_, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
				t.check("the consumer's page writable", unix.EPERM, err)
			},
		},
		{
			ID:     "ring-in-map-of-maps",
			Text:   "Ring buffers can be the values of an array of maps, from which a program takes its own: a ring for each CPU.",
			Source: elixir("5.8", "tools/testing/selftests/bpf/progs/test_ringbuf_multi.c", "test_ringbuf()"),
			run:    ringInMap,
		},
	}
}

// dynptrCode reserves as many bytes as the first argument says, and submits them. It
// returns 0, or 1 if they were refused; a dynptr must be released even then.
func dynptrCode(to *ebpf.Map) asm.Instructions {
	dynptr := func(into asm.Register) asm.Instructions {
		return asm.Instructions{asm.Mov.Reg(into, asm.RFP), asm.Add.Imm(into, -16)}
	}
	code := asm.Instructions{
		argument(asm.R2, 0),
		asm.LoadMapPtr(asm.R1, to.FD()),
		asm.Mov.Imm(asm.R3, 0),
	}
	code = append(code, dynptr(asm.R4)...)
	code = append(code,
		asm.FnRingbufReserveDynptr.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
	)
	code = append(code, dynptr(asm.R1)...)
	return append(code,
		asm.Mov.Imm(asm.R2, 0),
		asm.JNE.Imm(asm.R6, 0, "refused"),
		asm.FnRingbufSubmitDynptr.Call(),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		asm.FnRingbufDiscardDynptr.Call().WithSymbol("refused"),
		asm.Mov.Imm(asm.R0, 1),
		asm.Return(),
	)
}

// ringInMap puts a ring buffer into the second slot of an array of maps. A program
// outputs to the ring buffer in the slot that its first argument selects.
func ringInMap(t *T) {
	ring := t.ring(page, 0)
	outer := t.newMap(ebpf.MapSpec{
		Name: "rings", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2,
		InnerMap: &ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(page)},
	})
	t.must("put ring", outer.Put(uint32(1), uint32(ring.FD())))
	program := t.load("sharded", asm.Instructions{
		argument(asm.R6, 0),
		asm.StoreMem(asm.RFP, -4, asm.R6, asm.Word),
		asm.LoadMapPtr(asm.R1, outer.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "found"),
		asm.Mov.Imm(asm.R0, 1),
		asm.Return(),
		asm.Mov.Reg(asm.R1, asm.R0).WithSymbol("found"),
		asm.Mov.Imm(asm.R2, 7),
		asm.StoreMem(asm.RFP, -16, asm.R2, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -16),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.Return(),
	})
	t.check("output to an empty slot", 1, t.run(program, 0))
	t.check("to the ring", 0, t.run(program, 1))
	t.check("read", []uint64{7}, numbers(ring.read()))
}
