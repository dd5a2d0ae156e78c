package bpf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const tracepointGroup = "syscalls"

// linkTracepoint attaches by tracefs where the system has mounted it, and by a
// mount of our own, which nobody else sees, where it has not.
func linkTracepoint(name string, program *ebpf.Program) (io.Closer, error) {
	if tracefsMounted() {
		return link.Tracepoint(tracepointGroup, name, program, nil)
	}
	id, err := detachedTracepointID(tracepointGroup, name)
	if err != nil {
		return nil, fmt.Errorf("%w (tracefs is not mounted on /sys/kernel/tracing)", err)
	}
	return openTracepoint(id, program)
}

func tracefsMounted() bool {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && fs.Type == unix.TRACEFS_MAGIC {
			return true
		}
	}
	return false
}

// detachedTracepointID reads a tracepoint's id from a tracefs that is mounted
// nowhere. It needs CAP_SYS_ADMIN and Linux 5.2.
func detachedTracepointID(group, name string) (_ uint64, err error) {
	fs, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("open tracefs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fs)) }()
	if err := unix.FsconfigCreate(fs); err != nil {
		return 0, fmt.Errorf("create tracefs: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return 0, fmt.Errorf("mount tracefs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(mount)) }()
	path := fmt.Sprintf("events/%s/%s/id", group, name)
	fd, err := unix.Openat(mount, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: "tracefs/" + path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return 0, fmt.Errorf("read tracepoint id: %w", err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// openTracepoint attaches by perf_event_open and ioctl, which every kernel has.
func openTracepoint(id uint64, program *ebpf.Program) (io.Closer, error) {
	attr := unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_TRACEPOINT,
		Config:      id,
		Sample_type: unix.PERF_SAMPLE_RAW,
		Sample:      1,
		Wakeup:      1,
	}
	attr.Size = unix.PERF_ATTR_SIZE_VER0
	// Any process, CPU 0: the program of a tracepoint's event runs on every CPU.
	// perf_event_attach_bpf_prog() in https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/bpf_trace.c
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open perf event of tracepoint %d: %w", id, err)
	}
	event := os.NewFile(uintptr(fd), "tracepoint")
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return nil, errors.Join(fmt.Errorf("set program of tracepoint: %w", err), event.Close())
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("enable tracepoint: %w", err), event.Close())
	}
	return event, nil
}
