// SPDX-License-Identifier: MIT

package guest

// outw writes to an I/O port; inb reads from one. The thread needs iopl(2).
func outw(port, value uint16)
func inb(port uint16) byte

// stop writes to an I/O port, and returns when the time stamp counter has gone on by
// ticks since just before, in virtual time to the very tick: whatever it went on by
// during the write, less than ticks.
func stop(port uint16, value byte, ticks uint64)
