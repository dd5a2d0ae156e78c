// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount is a file system. A kernel that was built without an optional one lacks it.
type mount struct {
	source, target, fstype string
	flags                  uintptr
	options                string
	optional               bool
}

// tracerMounts are what a tracer needs. The user of one that is missing reports that.
var tracerMounts = []mount{
	{"devtmpfs", "/dev", "devtmpfs", 0, "", false},
	{"proc", "/proc", "proc", 0, "", false},
	{"sysfs", "/sys", "sysfs", 0, "", false},
	{"bpf", "/sys/fs/bpf", "bpf", 0, "", true},
	{"tracefs", "/sys/kernel/tracing", "tracefs", 0, "", true},
}

// mountAll mounts them below a directory.
func mountAll(root string, mounts []mount) error {
	for _, m := range mounts {
		target := filepath.Join(root, m.target)
		// Directories of a file system that is not built in do not exist.
		if err := os.MkdirAll(target, 0o755); err != nil && !m.optional {
			return err
		}
		err := unix.Mount(m.source, target, m.fstype, m.flags, m.options)
		if errors.Is(err, unix.EINVAL) && m.options != "" { // an option that is younger than the kernel
			err = unix.Mount(m.source, target, m.fstype, m.flags, "")
		}
		if err != nil && !errors.Is(err, unix.EBUSY) && !m.optional {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// openPort opens a serial port for bytes: no echo, no translation, no line buffering.
func openPort(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s is no serial port: %w", path, err)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("make %s raw: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
