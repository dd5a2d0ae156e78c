// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// ioctlTracepoint attaches by perf_event_open and ioctl, which every kernel has.
func ioctlTracepoint(name string, program *ebpf.Program) (io.Closer, error) {
	id, err := TracepointID(tracepointGroup, name)
	if err != nil {
		return nil, err
	}
	return openEvent(&unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_TRACEPOINT,
		Size:        unix.PERF_ATTR_SIZE_VER0,
		Config:      id,
		Sample_type: unix.PERF_SAMPLE_RAW,
		Sample:      1,
		Wakeup:      1,
	}, program)
}

// kprobeType is the perf event type of kprobes. Kernels without kprobes lack the file.
// https://docs.kernel.org/trace/kprobetrace.html
const kprobeType = "/sys/bus/event_source/devices/kprobe/type"

// ioctlKprobe does the same for a probe on a kernel function, since 4.17.
func ioctlKprobe(function string, program *ebpf.Program) (io.Closer, error) {
	number, err := readNumber(kprobeType)
	if err != nil {
		return nil, fmt.Errorf("find kprobe events: %w", err)
	}
	name, err := unix.BytePtrFromString(function)
	if err != nil {
		return nil, err
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(name)
	return openEvent(&unix.PerfEventAttr{
		Type: uint32(number),
		Size: unix.PERF_ATTR_SIZE_VER1, // it has config1, and every kernel knows it
		Ext1: uint64(uintptr(unsafe.Pointer(name))),
	}, program)
}

// Keep keeps the attach point in use until it is closed, where that saves time. When the
// last user of a tracepoint detaches, the kernel waits tens of milliseconds until no CPU
// can still run it. With one idle user left, programs attach and detach without this
// wait.
// perf_trace_event_unreg() in https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/trace_event_perf.c
func Keep(a vocab.Attach, w vocab.Workload) (io.Closer, error) {
	if a != vocab.AttachTracepoint && a != vocab.AttachTracepointIoctl {
		return io.NopCloser(nil), nil
	}
	id, err := TracepointID(tracepointGroup, "sys_enter_"+w.Syscall())
	if err != nil {
		return nil, err
	}
	return newEvent(&unix.PerfEventAttr{
		Type: unix.PERF_TYPE_TRACEPOINT, Size: unix.PERF_ATTR_SIZE_VER0, Config: id, Bits: unix.PerfBitDisabled,
	})
}

// openEvent attaches the program to a perf event. The attachment ends when the result is
// closed.
func openEvent(attr *unix.PerfEventAttr, program *ebpf.Program) (io.Closer, error) {
	event, err := newEvent(attr)
	if err != nil {
		return nil, err
	}
	fd := int(event.Fd())
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return nil, errors.Join(fmt.Errorf("set program of perf event: %w", err), event.Close())
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("enable perf event: %w", err), event.Close())
	}
	return event, nil
}

// newEvent opens a perf event of any process, on CPU 0: the program of such an event
// runs on every CPU.
// perf_event_attach_bpf_prog() in https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/bpf_trace.c
func newEvent(attr *unix.PerfEventAttr) (*os.File, error) {
	fd, err := unix.PerfEventOpen(attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open perf event: %w", err)
	}
	return os.NewFile(uintptr(fd), "perf event"), nil
}

func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
