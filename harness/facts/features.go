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

// kernelFeatures are statements about what came later than the ring buffer. Of
// those that a kernel refuses, judge decides whether it should have them.
func kernelFeatures() []Statement { return slices.Concat(ringFeatures(), programFeatures()) }

func programFeatures() []Statement {
	return []Statement{
		{
			ID:     "atomic-fetch",
			Text:   "A program can use the old value of an atomic addition.",
			Source: commit("5ca419f2864a", "bpf: Add BPF_FETCH field / create atomic_fetch_add instruction"),
			Since:  kernel(5, 12, 0),
			run: func(l *lab) {
				counter := l.scratch(8)
				add := asm.FetchAdd.Mem(asm.R1, asm.R0, asm.DWord, 0)
				// Instruction.Marshal of v0.22.0 reads the constant before it puts
				// BPF_FETCH there, and makes an addition without the old value of it.
				add.Constant = 1
				program := l.loadNew("fetch", asm.Instructions{
					asm.LoadMapValue(asm.R1, counter.FD(), 0),
					asm.Mov.Imm(asm.R0, 5),
					add,
					asm.Return(),
				})
				l.check("old value", 0, l.run(program))
				l.check("again", 5, l.run(program))
			},
		},
		{
			ID:     "atomic-add",
			Text:   "A program can add atomically, without the old value, on every kernel.",
			Source: elixir("5.10", "kernel/bpf/verifier.c", "check_xadd()"),
			run: func(l *lab) {
				counter := l.scratch(8)
				program := l.load("add", append(addOne(counter), asm.Mov.Imm(asm.R0, 0), asm.Return()))
				l.run(program)
				l.run(program)
				l.check("after two runs", 2, l.read(counter))
			},
		},
		{
			ID:     "attach-cookie",
			Text:   "A program learns by which of several attachments it runs, from a number of the loader's.",
			Source: commit("82e6b1eee6a8", "bpf: Allow to specify user-provided bpf_cookie for BPF perf links"),
			Since:  kernel(5, 15, 0),
			run: func(l *lab) {
				value := l.scratch(8)
				program, err := tryLoad("cookie", ebpf.TracePoint, asm.Instructions{
					asm.FnGetAttachCookie.Call(),
					asm.LoadMapValue(asm.R1, value.FD(), 0),
					asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
					asm.Mov.Imm(asm.R0, 0),
					asm.Return(),
				})
				if isRefused(err) {
					l.absent(err)
				}
				l.must("load program", err)
				l.after(program.Close)
				event := l.tracepoint(triggerGroup, triggerName)
				fd, err := bpfCall(linkCreate, &linkAttr{ProgFD: uint32(program.FD()), TargetFD: uint32(event), AttachType: attachPerfEvent, Cookie: 4711})
				l.must("make link", err)
				l.after(func() error { return unix.Close(fd) })
				trigger()
				l.check("cookie", 4711, l.read(value))
			},
		},
		{
			ID:     "kprobe-multi",
			Text:   "One link attaches a program to many functions.",
			Source: commit("0dcac2725406", "bpf: Add multi kprobe link"),
			Since:  kernel(5, 18, 0),
			run: func(l *lab) {
				if _, err := os.Stat(kprobeType); err != nil {
					l.cannot("this kernel is built without kprobes")
				}
				counter := l.scratch(8)
				program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
					Name: "multi", Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeMulti, License: "GPL",
					Instructions: append(addOne(counter), asm.Mov.Imm(asm.R0, 0), asm.Return()),
				})
				if isRefused(err) {
					l.absent(err)
				}
				l.must("load program", err)
				l.after(program.Close)
				symbols, keep := cStrings(kprobeTarget, kprobeOther)
				fd, err := bpfCall(linkCreate, &multiAttr{ProgFD: uint32(program.FD()), AttachType: attachKprobeMulti, Count: 2, Symbols: symbols})
				runtime.KeepAlive(keep)
				switch {
				case errors.Is(err, unix.EOPNOTSUPP):
					l.cannot("this kernel is built without CONFIG_FPROBE")
				case errors.Is(err, unix.EINVAL):
					l.absent(err)
				}
				l.must("attach", err)
				l.after(func() error { return unix.Close(fd) })
				trigger()
				_, _ = unix.Getsid(0)
				l.check("both functions counted", true, l.read(counter) >= 2)
			},
		},
		{
			ID:     "recursion-misses",
			Text:   "The kernel counts the runs of a program that it skipped, in recursion_misses of bpf_prog_info.",
			Source: commit("9ed9e9ba2337", "bpf: Count the number of times recursion was prevented"),
			Since:  kernel(5, 12, 0),
			run: func(l *lab) {
				program := l.load("idle", asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()})
				l.check("of an idle program", 0, l.misses(program))
			},
		},
	}
}

// loadNew loads a program that old kernels refuse.
func (l *lab) loadNew(name string, code asm.Instructions) *ebpf.Program {
	p, err := tryLoad(name, ebpf.RawTracepoint, code)
	if isRefused(err) {
		l.absent(err)
	}
	l.must("load program "+name, err)
	l.after(p.Close)
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
