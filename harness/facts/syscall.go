// SPDX-License-Identifier: MIT

package facts

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands and constants of bpf(2), for calls that the library does not make, or makes
// only after its own feature probes. From include/uapi/linux/bpf.h.
const (
	mapCreate      = 0
	mapLookupElem  = 1
	mapUpdateElem  = 2
	progLoad       = 5
	progGetNextID  = 11
	mapGetNextID   = 12
	progGetFD      = 13
	mapGetFD       = 14
	objGetInfo     = 15
	btfGetFD       = 19
	btfGetNextID   = 23
	mapLookupBatch = 24
	linkCreate     = 28
	linkGetFD      = 30
	linkGetNextID  = 31

	attachPerfEvent   = 41      // BPF_PERF_EVENT
	attachKprobeMulti = 42      // BPF_TRACE_KPROBE_MULTI
	preserveElements  = 1 << 11 // BPF_F_PRESERVE_ELEMS
	rbOverwrite       = 1 << 19 // BPF_F_RB_OVERWRITE
)

// elemAttr is union bpf_attr of BPF_MAP_*_ELEM.
type elemAttr struct {
	MapFD uint32
	_     uint32
	Key   uint64
	Value uint64
	Flags uint64
}

// batchAttr is union bpf_attr of BPF_MAP_*_BATCH.
type batchAttr struct {
	InBatch, OutBatch, Keys, Values uint64
	Count, MapFD                    uint32
	ElemFlags, Flags                uint64
}

// linkAttr is union bpf_attr of BPF_LINK_CREATE for a perf event.
type linkAttr struct {
	ProgFD, TargetFD, AttachType, Flags uint32
	Cookie                              uint64
}

// multiAttr is union bpf_attr of BPF_LINK_CREATE for kprobes.
type multiAttr struct {
	ProgFD, TargetFD, AttachType, Flags uint32
	MultiFlags, Count                   uint32
	Symbols, Addresses, Cookies         uint64
}

// idAttr is union bpf_attr of BPF_*_GET_FD_BY_ID and BPF_*_GET_NEXT_ID.
type idAttr struct {
	ID, NextID, OpenFlags uint32
}

// infoAttr is union bpf_attr of BPF_OBJ_GET_INFO_BY_FD.
type infoAttr struct {
	FD, Length uint32
	Info       uint64
}

// info reads the kernel's information on an object, and returns its size in bytes.
func (t *T) info(fd int, into []byte) int {
	attr := infoAttr{FD: uint32(fd), Length: uint32(len(into)), Info: address(into)}
	_, err := bpfCall(objGetInfo, &attr)
	runtime.KeepAlive(into)
	t.must("read info", err)
	return int(attr.Length)
}

// address is the address of memory that the caller keeps alive. The memory escapes to the
// heap here: a stack may move before the kernel reads the address.
func address[T any](mem []T) uint64 {
	if never {
		escaped = mem
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
}

// Variables whose values the compiler cannot assume.
var (
	never   bool
	escaped any
	_       = escaped
)

// cStrings is the address of an array of C strings, which live as long as keep does.
func cStrings(texts ...string) (array uint64, keep any) {
	var pointers []*byte
	for _, text := range texts {
		pointers = append(pointers, unsafe.SliceData(append([]byte(text), 0)))
	}
	return address(pointers), pointers
}

// bpfCall is bpf(2).
func bpfCall[T any](command int, attr *T) (int, error) {
	got, _, e := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	runtime.KeepAlive(attr)
	if e != 0 {
		return -1, e
	}
	return int(got), nil
}
