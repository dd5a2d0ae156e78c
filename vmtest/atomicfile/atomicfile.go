// SPDX-License-Identifier: MIT

// Package atomicfile creates files that are either complete or absent. An unfinished file
// has no name, so nothing of it remains even if the process is killed.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File is a file without a name. It must be closed, whether or not it was given one.
type File struct {
	*os.File
	temp string // its name, on file systems that do not support unnamed files
}

// Create creates a file for reading and writing, on the file system of a directory.
func Create(dir string) (*File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &File{File: os.NewFile(uintptr(fd), filepath.Join(dir, "unnamed"))}, nil
	}
	// The errors of file systems and kernels without support: open(2).
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return nil, &os.PathError{Op: "create file in", Path: dir, Err: err}
	}
	file, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return nil, err
	}
	return &File{File: file, temp: file.Name()}, nil
}

// Link gives the file its name, on the same file system. The error wraps [os.ErrExist] if
// a file of that name exists.
func (f *File) Link(path string) error {
	from := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if f.temp != "" {
		from = f.temp
	}
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: "unnamed file", New: path, Err: err}
	}
	return nil
}

// Replace gives the file its name, and atomically replaces a file that has it.
func (f *File) Replace(path string) error {
	err := f.Link(path)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	// A link does not replace, so there is a second name for a moment.
	temp := fmt.Sprintf("%s.%d-%d.old", path, os.Getpid(), f.Fd())
	if err := f.Link(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// Close closes the file. A file without a name is deleted.
func (f *File) Close() error {
	err := f.File.Close()
	if f.temp != "" {
		err = errors.Join(err, os.Remove(f.temp))
	}
	return err
}

// Write replaces the content of a file atomically: readers see the old or the new one.
func Write(path string, data []byte) (err error) {
	file, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(data); err != nil {
		return err
	}
	return file.Replace(path)
}
