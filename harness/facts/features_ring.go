// SPDX-License-Identifier: MIT

package facts

import (
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
			run:    ringDynptr,
		},
		{
			ID:     "ring-dynptr-refused",
			Text:   "A reservation by a dynptr fails with EINVAL, and not with EAGAIN, if the ring buffer is full, and with E2BIG above 16 MiB. The program has to release the dynptr even then, or the verifier refuses the program.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_reserve_dynptr()"),
			Since:  kernel(5, 19, 0),
			run:    ringDynptrRefused,
		},
		{
			ID:     "ring-overwrite",
			Text:   "A ring buffer made with BPF_F_RB_OVERWRITE keeps exactly the newest records that fit, and BPF_RB_OVERWRITE_POS says where they begin. It refuses only what would run over a reservation that is held.",
			Source: elixir("6.19", "kernel/bpf/ringbuf.c", "bpf_ringbuf_has_space()"),
			Since:  kernel(6, 19, 0),
			run:    ringOverwrite,
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
