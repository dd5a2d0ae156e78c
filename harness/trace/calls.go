// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// decode is the call, or nil if nothing depends on it.
func (d *decoder) decode(number uint64, a [6]uint64, mem *reader) *call {
	switch number {
	case unix.SYS_BPF:
		return d.bpf(a, mem)
	case unix.SYS_PERF_EVENT_OPEN:
		return d.perfEventOpen(a, mem)
	case unix.SYS_IOCTL:
		return d.ioctl(a)
	case unix.SYS_MMAP:
		return d.mmap(a)
	case unix.SYS_EPOLL_CREATE1:
		c := &call{name: "epoll_create1", makes: &object{kind: anEpoll, name: "epoll"}}
		c.addFlags("flags", a[0], []bit{{unix.EPOLL_CLOEXEC, "EPOLL_CLOEXEC"}})
		return c
	case unix.SYS_EPOLL_CTL:
		return d.epollCtl(a)
	case sysEpollWait, unix.SYS_EPOLL_PWAIT:
		return d.epollWait(number, a)
	case unix.SYS_EVENTFD2:
		return &call{name: "eventfd2", makes: &object{kind: anEventfd, name: "eventfd"}}
	case unix.SYS_OPENAT:
		return d.openat(a, mem)
	case unix.SYS_FSOPEN:
		c := &call{name: "fsopen", makes: &object{kind: aFile, name: mem.string(a[0])}}
		c.add("fsname", "%q", c.makes.name)
		return c
	case unix.SYS_FSMOUNT:
		c := &call{name: "fsmount", makes: &object{kind: aFile, name: "mount"}}
		if o := d.fds[int(a[0])]; o != nil {
			c.subject, c.makes.name = o, o.name
			c.addObject("fs_fd", o)
		}
		return c
	case unix.SYS_FCNTL:
		if o := d.fds[int(a[0])]; o != nil && (a[1] == unix.F_DUPFD || a[1] == unix.F_DUPFD_CLOEXEC) {
			return &call{unseen: true, makes: o}
		}
	case unix.SYS_CLOSE:
		d.close(int(a[0])) // whatever it returns: close(2)
	}
	return nil
}

// perfEventOpen decodes struct perf_event_attr, of which the tracee may have an
// older and shorter one.
func (d *decoder) perfEventOpen(a [6]uint64, mem *reader) *call {
	var attr unix.PerfEventAttr
	raw := (*[unsafe.Sizeof(attr)]byte)(unsafe.Pointer(&attr))[:]
	size := int(hostUint32(mem.bytes(a[0]+4, 4)))
	if size == 0 {
		size = unix.PERF_ATTR_SIZE_VER0
	}
	size = min(size, len(raw))
	copy(raw, mem.bytes(a[0], size))
	pid, cpu, group := int32(a[1]), int32(a[2]), int32(a[3])
	event := &object{kind: anEvent}
	c := &call{name: "perf_event_open", makes: event}
	pmu := pmuName(attr.Type)
	c.add("type", "%s", pmu)
	switch {
	case attr.Type == unix.PERF_TYPE_SOFTWARE && attr.Config == unix.PERF_COUNT_SW_BPF_OUTPUT:
		event.name = fmt.Sprintf("ring of CPU %d", cpu)
		c.add("config", "PERF_COUNT_SW_BPF_OUTPUT")
	case attr.Type == unix.PERF_TYPE_TRACEPOINT:
		event.name = "tracepoint event"
		c.add("config", "%d", attr.Config)
	case pmu == "kprobe":
		event.name = "kprobe event"
		if attr.Ext1 != 0 {
			c.add("kprobe_func", "%q", mem.string(attr.Ext1))
		}
	default:
		event.name = pmu + " event"
		c.add("config", "%d", attr.Config)
	}
	if attr.Sample != 0 {
		c.add("sample_period", "%d", attr.Sample)
	}
	c.addFlags("sample_type", attr.Sample_type, []bit{{unix.PERF_SAMPLE_RAW, "PERF_SAMPLE_RAW"}})
	if attr.Wakeup != 0 {
		name := "wakeup_events"
		if attr.Bits&unix.PerfBitWatermark != 0 {
			name = "wakeup_watermark"
		}
		c.add(name, "%d", attr.Wakeup)
	}
	c.add("pid", "%d", pid)
	c.add("cpu", "%d", cpu)
	c.add("group_fd", "%d", group)
	c.addFlags("flags", a[4], []bit{{unix.PERF_FLAG_FD_CLOEXEC, "PERF_FLAG_FD_CLOEXEC"}})
	return c
}

// pmuName is the name of a type of perf events. The kernel assigns other types
// dynamically, and shows them in sysfs.
func pmuName(number uint32) string {
	switch number {
	case unix.PERF_TYPE_SOFTWARE:
		return "PERF_TYPE_SOFTWARE"
	case unix.PERF_TYPE_TRACEPOINT:
		return "PERF_TYPE_TRACEPOINT"
	}
	paths, _ := filepath.Glob("/sys/bus/event_source/devices/*/type") // the pattern is right
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(number) {
			return filepath.Base(filepath.Dir(path))
		}
	}
	return fmt.Sprint(number)
}

// ioctl decodes those of perf events.
func (d *decoder) ioctl(a [6]uint64) *call {
	o := d.fds[int(a[0])]
	if o == nil || o.kind != anEvent {
		return nil
	}
	c := &call{name: "ioctl", subject: o}
	c.addObject("fd", o)
	switch a[1] {
	case unix.PERF_EVENT_IOC_SET_BPF:
		c.command = "PERF_EVENT_IOC_SET_BPF"
		d.descriptor(c, field{name: "prog_fd", as: asFD}, int32(a[2]))
	case unix.PERF_EVENT_IOC_ENABLE:
		c.command = "PERF_EVENT_IOC_ENABLE"
	case unix.PERF_EVENT_IOC_DISABLE:
		c.command = "PERF_EVENT_IOC_DISABLE"
	default:
		c.command = fmt.Sprintf("%#x", a[1])
	}
	return c
}

func (d *decoder) mmap(a [6]uint64) *call {
	o := d.fds[int(int32(a[4]))]
	if o == nil || !o.hasEvents() {
		return nil
	}
	c := &call{name: "mmap", subject: o}
	c.add("length", "%d", a[1])
	c.addFlags("prot", a[2], []bit{{unix.PROT_READ, "PROT_READ"}, {unix.PROT_WRITE, "PROT_WRITE"}})
	c.addObject("fd", o)
	if a[5] != 0 {
		c.add("offset", "%d", a[5])
	}
	return c
}

func (d *decoder) epollCtl(a [6]uint64) *call {
	epoll, o := d.fds[int(a[0])], d.fds[int(a[2])]
	if epoll == nil || o == nil {
		return nil
	}
	c := &call{name: "epoll_ctl", subject: epoll, uses: []*object{o}}
	switch a[1] {
	case unix.EPOLL_CTL_ADD:
		c.command = "EPOLL_CTL_ADD"
		c.done = func() { epoll.forEvents = epoll.forEvents || o.hasEvents() }
	case unix.EPOLL_CTL_MOD:
		c.command = "EPOLL_CTL_MOD"
	case unix.EPOLL_CTL_DEL:
		c.command = "EPOLL_CTL_DEL"
	}
	c.addObject("epfd", epoll)
	c.addObject("fd", o)
	return c
}

// epollWait ends the trace, on an epoll instance that has events of the kernel.
func (d *decoder) epollWait(number uint64, a [6]uint64) *call {
	epoll := d.fds[int(a[0])]
	if epoll == nil || !epoll.forEvents {
		return nil
	}
	c := &call{name: "epoll_wait", subject: epoll, waits: true}
	if number == unix.SYS_EPOLL_PWAIT {
		c.name = "epoll_pwait"
	}
	c.addObject("epfd", epoll)
	c.add("maxevents", "%d", a[2])
	return c
}

// openat decodes opens of files that are about BPF and tracing.
func (d *decoder) openat(a [6]uint64, mem *reader) *call {
	path := mem.string(a[1])
	dir := d.fds[int(int32(a[0]))]
	if dir == nil && !interesting(path) {
		return nil
	}
	c := &call{name: "openat", subject: dir, makes: &object{kind: aFile, name: filepath.Base(path)}}
	if dir != nil {
		c.addObject("dirfd", dir)
	}
	c.add("path", "%q", path)
	return c
}

func interesting(path string) bool {
	for _, prefix := range []string{"/sys/kernel/tracing/", "/sys/kernel/debug/tracing/", "/sys/bus/event_source/", "/sys/kernel/btf/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
