// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounts are what a tracer needs. Kernels built without an optional one lack it; its user
// reports that.
var mounts = []struct {
	source, target, fstype string
	optional               bool
}{
	{"devtmpfs", "/dev", "devtmpfs", false},
	{"proc", "/proc", "proc", false},
	{"sysfs", "/sys", "sysfs", false},
	{"bpf", "/sys/fs/bpf", "bpf", true},
	{"tracefs", "/sys/kernel/tracing", "tracefs", true},
}

func mountAll() error {
	// The root is already in memory. Another mount would hide the initramfs below it.
	if err := os.MkdirAll("/tmp", 0o1777); err != nil {
		return err
	}
	for _, m := range mounts {
		// Directories of a file system that is not built in do not exist.
		if err := os.MkdirAll(m.target, 0o755); err != nil && !m.optional {
			return err
		}
		err := unix.Mount(m.source, m.target, m.fstype, 0, "")
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
