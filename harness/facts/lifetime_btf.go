// SPDX-License-Identifier: MIT

package facts

import (
	"bytes"
	"encoding/binary"
	"runtime"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// mapAttr is union bpf_attr of BPF_MAP_CREATE.
type mapAttr struct {
	Type, KeySize, ValueSize, MaxEntries uint32
	Flags, InnerFD, NUMANode             uint32
	Name                                 [16]byte
	Interface                            uint32
	BTFFD, KeyType, ValueType            uint32
}

// progAttr is union bpf_attr of BPF_PROG_LOAD.
type progAttr struct {
	Type, Count              uint32
	Instructions, License    uint64
	LogLevel, LogSize        uint32
	Log                      uint64
	KernelVersion, Flags     uint32
	Name                     [16]byte
	Interface, AttachType    uint32
	BTFFD, FuncInfoSize      uint32
	FuncInfo                 uint64
	FuncInfoCount, LineSize  uint32
	LineInfo                 uint64
	LineInfoCount, AttachBTF uint32
}

// Types of maps and programs, from include/uapi/linux/bpf.h.
const (
	mapTypeArray          = 2
	progTypeRawTracepoint = 17
)

// sharedBTF creates a map and a program that share one BTF object, as libbpf does;
// cilium/ebpf loads one for each.
func sharedBTF(t *T) {
	word := &btf.Int{Name: "word", Size: 4}
	function := &btf.Func{Name: "idle", Type: &btf.FuncProto{Return: word}, Linkage: btf.GlobalFunc}
	builder, err := btf.NewBuilder([]btf.Type{word, function}, nil)
	t.must("make BTF", err)
	wordID, err := builder.Add(word)
	t.must("make BTF", err)
	functionID, err := builder.Add(function)
	t.must("make BTF", err)
	handle, err := btf.NewHandle(builder)
	t.must("load BTF", err)

	m, err := bpfCall(mapCreate, &mapAttr{
		Type: mapTypeArray, KeySize: 4, ValueSize: 4, MaxEntries: 1,
		BTFFD: uint32(handle.FD()), KeyType: uint32(wordID), ValueType: uint32(wordID),
	})
	t.must("make map", err)
	program := t.loadWithBTF(handle.FD(), uint32(functionID))

	id := t.id(btfs, handle.FD())
	t.check("the map's BTF is it", true, t.infoWord(m, 64) == id)        // btf_id of struct bpf_map_info
	t.check("the program's is it", true, t.infoWord(program, 128) == id) // of struct bpf_prog_info
	t.closeNow(handle)
	t.check("its descriptor closed, there", true, t.stays(btfs, id))
	t.must("close", unix.Close(program))
	t.check("program closed, there", true, t.stays(btfs, id))
	t.must("close", unix.Close(m))
	t.check("map closed, gone", true, t.gone(btfs, id))
}

// loadWithBTF loads a program that does nothing, with a BTF object that is loaded.
func (t *T) loadWithBTF(btfFD int, function uint32) (fd int) {
	code := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	var raw bytes.Buffer
	t.must("assemble program", code.Marshal(&raw, binary.LittleEndian))
	license := []byte("GPL\x00")
	info := []uint32{0, function} // struct bpf_func_info: offset, type
	fd, err := bpfCall(progLoad, &progAttr{
		Type: progTypeRawTracepoint, Count: uint32(raw.Len() / asm.InstructionSize), Instructions: address(raw.Bytes()), License: address(license),
		BTFFD: uint32(btfFD), FuncInfoSize: 8, FuncInfo: address(info), FuncInfoCount: 1,
	})
	runtime.KeepAlive(&raw)
	runtime.KeepAlive(license)
	runtime.KeepAlive(info)
	t.must("load program", err)
	return fd
}
