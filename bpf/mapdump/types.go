// SPDX-License-Identifier: MIT

package mapdump

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// mapInfo is the beginning of struct bpf_map_info. The library does not show the
// ids of the types.
// https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/bpf.h
type mapInfo struct {
	_                       [64]byte
	btf, keyType, valueType uint32
	_                       uint32 // before 5.19 nothing, then btf_vmlinux_id
}

// infoAttr is union bpf_attr of BPF_OBJ_GET_INFO_BY_FD.
type infoAttr struct {
	fd, infoLen uint32
	info        uint64
}

// types returns the types of keys and values of a map.
func types(m *ebpf.Map) (key, value btf.Type, err error) {
	var info mapInfo
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&info)
	attr := infoAttr{fd: uint32(m.FD()), infoLen: uint32(unsafe.Sizeof(info)), info: uint64(uintptr(unsafe.Pointer(&info)))}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return nil, nil, fmt.Errorf("read map info: %w", errno)
	}
	if info.btf == 0 || info.keyType == 0 || info.valueType == 0 {
		return nil, nil, ErrNoBTF
	}
	handle, err := btf.NewHandleFromID(btf.ID(info.btf))
	if err != nil {
		return nil, nil, fmt.Errorf("open BTF of map: %w", err)
	}
	defer handle.Close()
	spec, err := handle.Spec(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read BTF of map: %w", err)
	}
	if key, err = spec.TypeByID(btf.TypeID(info.keyType)); err != nil {
		return nil, nil, fmt.Errorf("find type of keys: %w", err)
	}
	if value, err = spec.TypeByID(btf.TypeID(info.valueType)); err != nil {
		return nil, nil, fmt.Errorf("find type of values: %w", err)
	}
	return key, value, nil
}
