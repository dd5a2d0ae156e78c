// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// scratchBytes is the size of a program's buffer: more than any payload. The program's
// mask limits sizes to one byte less.
const scratchBytes = 128 << 10

// Flags of the helpers, from include/uapi/linux/bpf.h.
const (
	noWakeup    = 1          // BPF_RB_NO_WAKEUP
	forceWakeup = 2          // BPF_RB_FORCE_WAKEUP
	currentCPU  = 0xffffffff // BPF_F_CURRENT_CPU
)

// load loads a raw tracepoint's program, which BPF_PROG_TEST_RUN runs with given
// arguments since 5.10, and which may use the tracing helpers.
func (t *T) load(name string, code asm.Instructions) *ebpf.Program {
	return t.loadAs(ebpf.RawTracepoint, name, code)
}

// loadAs loads a program of a type, that is closed after the experiment.
func (t *T) loadAs(of ebpf.ProgramType, name string, code asm.Instructions) *ebpf.Program {
	p, err := tryLoad(name, of, code)
	t.must("load program "+name, err)
	t.after(p.Close)
	return p
}

func tryLoad(name string, of ebpf.ProgramType, code asm.Instructions) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: of, Instructions: code, License: "GPL"})
}

// run runs a program on the current CPU, and returns what it returns.
//
// BPF_F_TEST_RUN_ON_CPU is not used: it runs the program with interrupts off, and
// a wake-up waits until they are on.
func (t *T) run(p *ebpf.Program, args ...uint64) int {
	got, err := runProgram(p, args...)
	t.must("run program", err)
	return got
}

func runProgram(p *ebpf.Program, args ...uint64) (int, error) {
	var context [4]uint64
	copy(context[:], args)
	got, err := p.Run(&ebpf.RunOptions{Context: context})
	return int(int32(got)), err
}

// errno is the errno that a helper returned, or 0.
func errno(returned int) unix.Errno { return unix.Errno(max(-returned, 0)) }

// newMap makes a map that is closed after the experiment.
func (t *T) newMap(spec ebpf.MapSpec) *ebpf.Map {
	m, err := ebpf.NewMap(&spec)
	t.must("make map "+spec.Name, err)
	t.after(m.Close)
	return m
}

// scratch is a map of one value, that programs read and write in place.
func (t *T) scratch(size uint32) *ebpf.Map {
	return t.newMap(ebpf.MapSpec{Name: "scratch", Type: ebpf.Array, KeySize: 4, ValueSize: size, MaxEntries: 1})
}

// read is the first number in a scratch map.
func (t *T) read(m *ebpf.Map) uint64 {
	value := make([]byte, m.ValueSize())
	t.must("read scratch", m.Lookup(uint32(0), value))
	return binary.NativeEndian.Uint64(value)
}

// argument loads the nth argument of a program into a register.
func argument(into asm.Register, n int) asm.Instruction {
	return asm.LoadMem(into, asm.R1, int16(8*n), asm.DWord)
}

// outputProgram sends as many bytes as its first argument says, with the flags of its
// second, and the third as the first eight bytes. It returns the result of the helper.
func (t *T) outputProgram(to *ebpf.Map) *ebpf.Program {
	data := t.scratch(scratchBytes)
	code := asm.Instructions{
		asm.Mov.Reg(asm.R9, asm.R1),
		argument(asm.R6, 0),
		argument(asm.R7, 1),
		argument(asm.R8, 2),
		asm.And.Imm(asm.R6, scratchBytes-1),
		asm.LoadMapValue(asm.R2, data.FD(), 0),
		asm.StoreMem(asm.R2, 0, asm.R8, asm.DWord),
	}
	if to.Type() == ebpf.RingBuf {
		code = append(code,
			asm.LoadMapPtr(asm.R1, to.FD()),
			asm.Mov.Reg(asm.R3, asm.R6),
			asm.Mov.Reg(asm.R4, asm.R7),
			asm.FnRingbufOutput.Call(),
		)
	} else {
		code = append(code,
			asm.Mov.Reg(asm.R1, asm.R9),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.LoadMapPtr(asm.R2, to.FD()),
			asm.Mov.Reg(asm.R3, asm.R7),
			asm.Mov.Reg(asm.R5, asm.R6),
			asm.FnPerfEventOutput.Call(),
		)
	}
	return t.load("output", append(code, asm.Return()))
}

// output sends so many bytes, the first eight of which are a number.
type output func(size int, number uint64) unix.Errno

// outputWith returns a function that outputs to a map with these flags.
func (t *T) outputWith(to *ebpf.Map, flags uint64) output {
	program := t.outputProgram(to)
	return func(size int, number uint64) unix.Errno {
		return errno(t.run(program, uint64(size), flags, number))
	}
}

// output returns a function that outputs without flags; to a perf buffer, into the ring
// of the current CPU.
func (t *T) output(to *ebpf.Map) output {
	if to.Type() == ebpf.RingBuf {
		return t.outputWith(to, 0)
	}
	return t.outputWith(to, currentCPU)
}

// ok ends the experiment if an output that it needs was refused.
func (t *T) ok(refusal unix.Errno) {
	if refusal != 0 {
		t.end(fmt.Errorf("output: %w", refusal))
	}
}

// fill outputs until an output is refused, and returns the number that was accepted and
// the reason of the refusal.
func (t *T) fill(output output, size int) (int, unix.Errno) {
	for n := 0; n < 1<<16; n++ {
		if refusal := output(size, uint64(n)); refusal != 0 {
			return n, refusal
		}
	}
	t.end(errors.New("the ring takes everything"))
	return 0, 0
}

// queryProgram returns the result of bpf_ringbuf_query for its first argument.
func (t *T) queryProgram(of *ebpf.Map) *ebpf.Program {
	return t.load("query", asm.Instructions{
		argument(asm.R2, 0),
		asm.LoadMapPtr(asm.R1, of.FD()),
		asm.FnRingbufQuery.Call(),
		asm.Return(),
	})
}

// page is the size of one.
var page = os.Getpagesize()

// isRefused reports whether an error means that the verifier, or the kernel, does not
// support a program or a map.
func isRefused(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES) || errors.Is(err, ebpf.ErrNotSupported)
}
