package guest

// outb writes to an I/O port, and returns by how much the time stamp counter went on
// meanwhile. outw writes to one; inb reads from one. The thread needs iopl(2).
func outb(port uint16, value byte) (ticks uint64)
func outw(port, value uint16)
func inb(port uint16) byte
