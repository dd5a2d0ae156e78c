// SPDX-License-Identifier: MIT

package guest

// outw writes to an I/O port; inb reads from one. The thread needs iopl(2).
func outw(port, value uint16)
func inb(port uint16) byte

// stop writes to an I/O port. It returns when the time stamp counter is ticks above its
// value just before, in virtual time exactly, however much of that, less than ticks, the
// write took.
func stop(port uint16, value byte, ticks uint64)
