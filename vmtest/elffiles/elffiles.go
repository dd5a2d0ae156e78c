// SPDX-License-Identifier: MIT

// Package elffiles finds the files that a program needs beside itself: its loader, its
// libraries, and the interpreter of a script. It reads ELF files by the rules of the
// kernel, glibc and musl, and runs nothing.
//
// It does not find what a program opens by itself: libraries of dlopen(3), but for those
// of glibc that are named in this package, and data. All functions may be called at once.
package elffiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Need is one file that a program needs beside itself.
type Need struct {
	Path   string // where it must be in the machine, absolute
	Source string // where it is here
}

// Needs returns what must be in a machine for the program at a path: loader, libraries,
// interpreter of a script. No path is there twice. guest is the architecture of the
// machine, by Go's name.
//
// A library that is found here in a way that the machine may not have (the loader's
// cache, LD_LIBRARY_PATH, $ORIGIN) has a second path, where the loader always looks.
//
// Errors say why the program cannot run in the machine: [ErrNotExecutable],
// [*ArchError], [*MissingError], or that of a file that cannot be read.
func Needs(path, guest string) ([]Need, error) {
	return onHost().needs(path, guest)
}

// host is what decides here which libraries a loader takes.
type host struct {
	libraryPath string              // LD_LIBRARY_PATH
	path        string              // PATH
	root        string              // before the paths of configuration files; "" but for tests
	caches      map[string][]string // paths of libraries by name, of a cache that was read
}

func onHost() *host {
	return &host{libraryPath: os.Getenv("LD_LIBRARY_PATH"), path: os.Getenv("PATH")}
}

func (h *host) needs(path, guest string) ([]Need, error) {
	machines, err := machinesOf(guest)
	if err != nil {
		return nil, err
	}
	s := &search{host: h, guest: guest, machines: machines, at: map[string]bool{}}
	if err := s.program(path, 0); err != nil {
		return nil, err
	}
	return s.needs, nil
}

// search collects what one program needs.
type search struct {
	*host
	guest    string
	machines []kind
	needs    []Need
	at       map[string]bool // paths of needs
}

func (s *search) add(path, source string) {
	if path = filepath.Clean(path); !s.at[path] {
		s.at[path] = true
		s.needs = append(s.needs, Need{Path: path, Source: source})
	}
}

// program adds what a program needs. depth counts the scripts that led to it.
func (s *search) program(path string, depth int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory: %w", path, ErrNotExecutable)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: %w", path, ErrNotExecutable)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s: %w (chmod +x makes it executable)", path, os.ErrPermission)
	}
	head := make([]byte, scriptHead)
	n, _ := file.ReadAt(head, 0) // what cannot be read is no program
	head = head[:n]
	if isScript(head) {
		return s.script(path, head, depth)
	}
	o, err := read(file)
	if errors.Is(err, errNotELF) {
		err = ErrNotExecutable
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := s.runs(path, o); err != nil {
		return err
	}
	o.path, o.origin = path, origin(path)
	return s.linked(o)
}

// runs returns why a machine cannot run a program, or nil.
func (s *search) runs(path string, o *object) error {
	for _, k := range s.machines {
		if o.kind == k {
			return nil
		}
	}
	return &ArchError{Program: path, Is: o.kind.String(), Machine: s.guest}
}

// origin is the directory that $ORIGIN means in a program: that of the file, because the
// kernel follows symbolic links.
func origin(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		// A running program that was removed or replaced: /proc/self/exe knows its path.
		if real, err = os.Readlink(path); err != nil {
			real = path
		}
	}
	if real, err = filepath.Abs(real); err != nil {
		return ""
	}
	return filepath.Dir(real)
}
