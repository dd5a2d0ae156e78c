package facts

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of bpf(2), for what the library does not do or does too well: it finds
// out itself what a kernel has. From include/uapi/linux/bpf.h.
const (
	mapLookupElem    = 1
	mapUpdateElem    = 2
	objGetInfoByFD   = 15
	mapLookupBatch   = 24
	linkCreate       = 28
	attachPerfEvent  = 41 // BPF_PERF_EVENT of enum bpf_attach_type
	progGetNextID    = 11
	mapGetNextID     = 12
	btfGetNextID     = 23
	linkGetNextID    = 31
	rbOverwrite      = 1 << 19 // BPF_F_RB_OVERWRITE
	preserveElements = 1 << 11 // BPF_F_PRESERVE_ELEMS
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

// bpfCall is bpf(2).
func bpfCall[T any](command int, attr *T) (int, error) {
	got, _, e := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	runtime.KeepAlive(attr)
	if e != 0 {
		return -1, e
	}
	return int(got), nil
}
