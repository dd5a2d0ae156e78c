// SPDX-License-Identifier: MIT

package guest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// childOf is the process that a siginfo_t of waitid(2) is about: si_pid, the first field
// of the union, which follows three ints and is aligned to a pointer.
func childOf(info *unix.Siginfo) int {
	const union = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), union)))
}
