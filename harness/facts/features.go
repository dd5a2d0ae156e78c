// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"os"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// kernelFeatures are statements about features newer than the ring buffer. For a feature
// that a kernel refuses, conclude decides whether that kernel should have it.
func kernelFeatures() []Statement { return slices.Concat(ringFeatures(), programFeatures()) }

func programFeatures() []Statement {
	return []Statement{
		{
			ID:     "atomic-fetch",
			Text:   "A program can use the old value of an atomic addition.",
			Source: commit("5ca419f2864a", "bpf: Add BPF_FETCH field / create atomic_fetch_add instruction"),
			Since:  kernel(5, 12, 0),
			run: func(t *T) {
				counter := t.scratch(8)
				add := asm.FetchAdd.Mem(asm.R1, asm.R0, asm.DWord, 0)
				// Instruction.Marshal of v0.22.0 reads the constant before it adds
				// BPF_FETCH, and so encodes an addition that does not fetch the old
				// value.
				add.Constant = 1
				program := t.loadNew("fetch", asm.Instructions{
					asm.LoadMapValue(asm.R1, counter.FD(), 0),
					asm.Mov.Imm(asm.R0, 5),
					add,
					asm.Return(),
				})
				t.check("old value", 0, t.run(program))
				t.check("again", 5, t.run(program))
			},
		},
		{
			ID:     "atomic-add",
			Text:   "A program can add atomically, without the old value, on every kernel.",
			Source: elixir("5.10", "kernel/bpf/verifier.c", "check_xadd()"),
			run: func(t *T) {
				counter := t.scratch(8)
				program := t.load("add", append(addOne(counter), asm.Mov.Imm(asm.R0, 0), asm.Return()))
				t.run(program)
				t.run(program)
				t.check("after two runs", 2, t.read(counter))
			},
		},
		{
			ID:     "attach-cookie",
			Text:   "A program learns by which of several attachments it runs, from a number of the loader's.",
			Source: commit("82e6b1eee6a8", "bpf: Allow to specify user-provided bpf_cookie for BPF perf links"),
			Since:  kernel(5, 15, 0),
			run: func(t *T) {
				value := t.scratch(8)
				program, err := tryLoad("cookie", ebpf.TracePoint, asm.Instructions{
					asm.FnGetAttachCookie.Call(),
					asm.LoadMapValue(asm.R1, value.FD(), 0),
					asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
					asm.Mov.Imm(asm.R0, 0),
					asm.Return(),
				})
				if isRefused(err) {
					t.absent(err)
				}
				t.must("load program", err)
				t.after(program.Close)
				event := t.tracepoint(triggerGroup, triggerName)
				fd, err := bpfCall(linkCreate, &linkAttr{ProgFD: uint32(program.FD()), TargetFD: uint32(event), AttachType: attachPerfEvent, Cookie: 4711})
				t.must("make link", err)
				t.after(func() error { return unix.Close(fd) })
				trigger()
				t.check("cookie", 4711, t.read(value))
			},
		},
		{
			ID:     "kprobe-multi",
			Text:   "One link attaches a program to many functions.",
			Source: commit("0dcac2725406", "bpf: Add multi kprobe link"),
			Since:  kernel(5, 18, 0),
			run: func(t *T) {
				if _, err := os.Stat(kprobeType); err != nil {
					t.cannot("this kernel is built without kprobes")
				}
				counter := t.scratch(8)
				program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
					Name: "multi", Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeMulti, License: "GPL",
					Instructions: append(addOne(counter), asm.Mov.Imm(asm.R0, 0), asm.Return()),
				})
				if isRefused(err) {
					t.absent(err)
				}
				t.must("load program", err)
				t.after(program.Close)
				symbols, keep := cStrings(kprobeTarget, kprobeOther)
				fd, err := bpfCall(linkCreate, &multiAttr{ProgFD: uint32(program.FD()), AttachType: attachKprobeMulti, Count: 2, Symbols: symbols})
				runtime.KeepAlive(keep)
				switch {
				case errors.Is(err, unix.EOPNOTSUPP):
					t.cannot("this kernel is built without CONFIG_FPROBE")
				case errors.Is(err, unix.EINVAL):
					t.absent(err)
				}
				t.must("attach", err)
				t.after(func() error { return unix.Close(fd) })
				trigger()
				_, _ = unix.Getsid(0)
				t.check("both functions counted", true, t.read(counter) >= 2)
			},
		},
		{
			ID:     "recursion-misses",
			Text:   "The kernel counts the runs of a program that it skipped, in recursion_misses of bpf_prog_info.",
			Source: commit("9ed9e9ba2337", "bpf: Count the number of times recursion was prevented"),
			Since:  kernel(5, 12, 0),
			run: func(t *T) {
				program := t.load("idle", asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()})
				t.check("of an idle program", 0, t.misses(program))
			},
		},
	}
}

// loadNew loads a program that old kernels refuse.
func (t *T) loadNew(name string, code asm.Instructions) *ebpf.Program {
	p, err := tryLoad(name, ebpf.RawTracepoint, code)
	if isRefused(err) {
		t.absent(err)
	}
	t.must("load program "+name, err)
	t.after(p.Close)
	return p
}

// addOne counts in the first word of a map.
func addOne(counter *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, counter.FD(), 0),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	}
}
