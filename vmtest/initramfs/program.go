// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotStatic is returned for a dynamically linked program where only a static one will
// do.
var ErrNotStatic = errors.New("not a static program")

// Program returns the files that an archive needs to start a program under that name:
// directories, the program, and if it is dynamically linked its loader and the libraries
// that the loader would load here. A missing library is an error. Libraries that are
// loaded later by dlopen(3) are not found.
//
// The loader that the program names is run, the program is not.
func Program(name, path string) ([]File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return program(name, file, path)
}

// program is Program for an open file. path is where the loader opens it. Descriptor 3 of
// the loader is the file too.
func program(name string, file *os.File, path string) ([]File, error) {
	data, err := readWhole(file)
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	var p pack
	p.add(name, data)
	loader, err := interpreter(data)
	if err != nil || loader == "" {
		return p.files, err
	}
	libraries, err := loaded(loader, file, path)
	if err != nil {
		return nil, err
	}
	if err := p.copy(loader, loader); err != nil {
		return nil, err
	}
	dir := systemDir(loader, libraries)
	for _, l := range libraries {
		if l.path == loader { // musl's C library is its loader
			continue
		}
		source := baseline(l.path)
		if err := p.copy(l.path, source); err != nil {
			return nil, err
		}
		// What led the loader to another directory here (its cache, LD_LIBRARY_PATH,
		// $ORIGIN or the CPU) may be different in the guest.
		if filepath.Dir(l.path) != dir {
			if err := p.copy(filepath.Join(dir, filepath.Base(l.name)), source); err != nil {
				return nil, err
			}
		}
	}
	return p.files, nil
}

// readWhole reads a file into a buffer of its exact size: programs are large, and a
// buffer that grows leaves garbage of several times that size.
func readWhole(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(file, data)
	return data, err
}

// interpreter is the path of a program's loader, or "" if it is static.
func interpreter(program []byte) (string, error) {
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return "", err
	}
	for _, p := range file.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(p.Open(), maxPath))
		if err != nil {
			return "", fmt.Errorf("read path of loader: %w", err)
		}
		path, _, ended := bytes.Cut(text, []byte{0})
		if !ended || !filepath.IsAbs(string(path)) {
			return "", fmt.Errorf("path of loader is %q", text)
		}
		return string(path), nil
	}
	return "", nil
}

// maxPath is PATH_MAX.
const maxPath = 4096

// CheckStatic returns [ErrNotStatic] for a program that needs a loader, and an error for
// a file that is not a program.
func CheckStatic(program []byte) error {
	loader, err := interpreter(program)
	if err == nil && loader != "" {
		err = ErrNotStatic
	}
	return err
}

// systemDir is a directory that the loader searches by default: that of the C library,
// which is installed with it, or its own.
func systemDir(loader string, libraries []library) string {
	i := slices.IndexFunc(libraries, func(l library) bool { return strings.HasPrefix(l.name, "libc.so") })
	if i < 0 {
		return filepath.Dir(loader)
	}
	return filepath.Dir(baselinePath(libraries[i].path))
}

// baseline is the file for any CPU in place of one that was chosen for this host's CPU:
// the guest's may have fewer features.
func baseline(path string) string {
	if every := baselinePath(path); every != path {
		if _, err := os.Stat(every); err == nil {
			return every
		}
	}
	return path
}

// baselinePath leaves glibc-hwcaps/LEVEL out of a path.
func baselinePath(path string) string {
	before, after, found := strings.Cut(path, "/glibc-hwcaps/")
	if !found {
		return path
	}
	_, name, _ := strings.Cut(after, "/")
	return filepath.Join(before, name)
}

// pack collects files, each with the directories above it.
type pack struct{ files []File }

func (p *pack) add(name string, data []byte) { p.addMode(name, 0o755, data) }

func (p *pack) addMode(name string, mode uint32, data []byte) {
	name = strings.TrimPrefix(filepath.Clean("/"+name), "/")
	if p.has(name) {
		return
	}
	p.addDir(filepath.Dir(name))
	p.files = append(p.files, File{Name: name, Mode: Regular | mode, Data: data})
}

func (p *pack) addDir(name string) {
	if name == "." || p.has(name) {
		return
	}
	p.addDir(filepath.Dir(name))
	p.files = append(p.files, File{Name: name, Mode: Directory | 0o755})
}

func (p *pack) has(name string) bool {
	return slices.ContainsFunc(p.files, func(f File) bool { return f.Name == name })
}

// copy adds what a path leads to, through symbolic links.
func (p *pack) copy(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	p.add(name, data)
	return nil
}
