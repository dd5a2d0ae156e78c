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
	"runtime"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/elffiles"
)

// ErrNotStatic is returned for a dynamically linked program where only a static one will
// do.
var ErrNotStatic = errors.New("not a static program")

// Program returns the files that an archive needs to start a program under that name:
// directories, the program, and what [elffiles.Needs] finds.
func Program(name, path string) ([]File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := readWhole(file)
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	needs, err := elffiles.Needs(path, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	var p pack
	p.add(name, data)
	for _, n := range needs {
		if err := p.copy(n.Path, n.Source); err != nil {
			return nil, err
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

// CheckStatic returns [ErrNotStatic] for a program that needs a loader, and an error for
// a file that is not a program.
func CheckStatic(program []byte) error {
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return err
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return ErrNotStatic
		}
	}
	return nil
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
