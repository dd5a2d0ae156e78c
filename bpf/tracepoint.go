// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const tracepointGroup = "syscalls"

// linkTracepoint attaches through the mounted tracefs, or else through a detached mount
// that no other process sees.
func linkTracepoint(name string, program *ebpf.Program) (io.Closer, error) {
	if tracefs() != "" {
		return link.Tracepoint(tracepointGroup, name, program, nil)
	}
	return ioctlTracepoint(name, program)
}

// TracepointID is the id of a tracepoint, as perf_event_open(2) takes it. It needs
// CAP_SYS_ADMIN and Linux 5.2 where tracefs is not mounted.
func TracepointID(group, name string) (uint64, error) {
	dir := tracefs()
	if dir == "" {
		id, err := detachedTracepointID(group, name)
		if err != nil {
			err = fmt.Errorf("%w (tracefs is not mounted on /sys/kernel/tracing)", err)
		}
		return id, err
	}
	return readNumber(filepath.Join(dir, "events", group, name, "id"))
}

// tracefs is the mount point of tracefs, or "".
func tracefs() string {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && fs.Type == unix.TRACEFS_MAGIC {
			return dir
		}
	}
	return ""
}

// detachedTracepointID reads a tracepoint's id from a detached mount of tracefs.
func detachedTracepointID(group, name string) (uint64, error) {
	text, err := readDetached("tracefs", fmt.Sprintf("events/%s/%s/id", group, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// readDetached reads a file of one of the kernel's file systems from a detached mount of it.
// It needs CAP_SYS_ADMIN and Linux 5.2.
func readDetached(system, path string) (_ string, err error) {
	fs, err := unix.Fsopen(system, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", system, err)
	}
	defer func() { err = errors.Join(err, unix.Close(fs)) }()
	if err := unix.FsconfigCreate(fs); err != nil {
		return "", fmt.Errorf("create %s: %w", system, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return "", fmt.Errorf("mount %s: %w", system, err)
	}
	defer func() { err = errors.Join(err, unix.Close(mount)) }()
	fd, err := unix.Openat(mount, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: system + "/" + path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return string(text), nil
}
