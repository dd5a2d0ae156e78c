// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// Program is a user's program, and its files in a machine.
type Program struct {
	// Path is that of a static program, and Args are its arguments.
	Path string
	Args []string
	// Env are variables, with a value or with their value here. Default: only PATH, HOME
	// and TMPDIR.
	Env []string
	// Dir is a directory to copy into the machine; the program starts in it. Default, for
	// a test binary of Go: the current one.
	Dir string
	// In are files to copy into the machine: FILE, to the same path, or FILE=PATH.
	In []string
	// Fetch are files to copy back when the program has ended: PATH, or PATH=FILE.
	Fetch []string
	// Core is the destination of the core dump, if a signal ends the program and leaves
	// one.
	Core string
	// Stdin is what the program reads, until its end. nil: nothing.
	Stdin io.Reader
	// Timeout is how long the program may run.
	Timeout time.Duration
}

// Where things lie in the machine.
const (
	guestProgram = "ringtwin/program"
	guestStdin   = "ringtwin/stdin"
)

// maxTaken bounds what goes into a machine's memory with a program, in bytes.
const maxTaken = 256 << 20

// pack collects what the machine's memory will hold, and the command to run.
func (p *Program) pack(ctx context.Context) ([]initramfs.File, wire.Command, error) {
	var command wire.Command
	files, err := initramfs.Base()
	if err != nil {
		return nil, command, err
	}
	program, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, command, err
	}
	if err := initramfs.CheckStatic(program); err != nil {
		return nil, command, fmt.Errorf("%s: %w: its libraries are not taken along; build it with CGO_ENABLED=0, or -static", p.Path, err)
	}
	all := newPacker(files)
	all.add(guestProgram, 0o755, program)
	command = wire.Command{Args: append([]string{"/" + guestProgram}, p.Args...), Env: p.environment(), Dir: "/tmp", Core: p.Core != ""}
	for _, word := range p.In {
		from, to, named := strings.Cut(word, "=")
		if !named {
			to = from
		}
		if err := all.addFile(from, to); err != nil {
			return nil, command, err
		}
	}
	dir := p.Dir
	if dir == "" && strings.HasSuffix(p.Path, ".test") {
		dir = "."
	}
	if dir != "" {
		if command.Dir, err = all.addTree(dir); err != nil {
			return nil, command, err
		}
	}
	wanted, err := p.wanted(command.Dir)
	if err != nil {
		return nil, command, err
	}
	delete(wanted, wire.CorePath) // which the guest knows
	command.Fetch = slices.Sorted(maps.Keys(wanted))
	if p.Stdin != nil {
		stdin, err := readAll(ctx, p.Stdin)
		if err != nil {
			return nil, command, fmt.Errorf("read standard input: %w", err)
		}
		all.add(guestStdin, 0o644, stdin)
		command.Stdin = "/" + guestStdin
	}
	if all.bytes > maxTaken {
		return nil, command, fmt.Errorf("%d MiB to take along, at most %d fit", all.bytes>>20, maxTaken>>20)
	}
	return all.files, command, nil
}

// wanted returns the destinations of a guest's files by their paths there, for a program
// that runs in a directory. Two files at one path, here or there, are an error.
func (p *Program) wanted(dir string) (map[string]string, error) {
	wanted, taken := map[string]string{}, map[string]bool{}
	if p.Core != "" {
		wanted[wire.CorePath], taken[filepath.Clean(p.Core)] = p.Core, true
	}
	for _, word := range p.Fetch {
		from, to, named := strings.Cut(word, "=")
		if !named {
			to = filepath.Base(from)
		}
		if !filepath.IsAbs(from) {
			from = filepath.Join(dir, from)
		}
		from = filepath.Clean(from)
		if wanted[from] != "" {
			return nil, fmt.Errorf("--fetch %s: %s is fetched already", word, from)
		}
		if taken[filepath.Clean(to)] {
			return nil, fmt.Errorf("--fetch %s: another file is brought to %s; say where to, as in --fetch %s=FILE", word, to, from)
		}
		wanted[from], taken[filepath.Clean(to)] = to, true
	}
	return wanted, nil
}

// readAll reads a file to copy, until the context ends: a pipe that nobody closes has no
// end.
func readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	type input struct {
		text []byte
		err  error
	}
	read := make(chan input, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(r, maxTaken))
		read <- input{text, err}
	}()
	select {
	case in := <-read:
		return in.text, in.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// environment is what the program finds set.
func (p *Program) environment() []string {
	env := []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "TMPDIR=/tmp"}
	for _, word := range p.Env {
		if !strings.Contains(word, "=") {
			word += "=" + os.Getenv(word)
		}
		env = append(env, word)
	}
	return env
}

// packer collects files and the directories that they need.
type packer struct {
	files []initramfs.File
	dirs  map[string]bool
	bytes int
}

// newPacker adds to the files that there are.
func newPacker(files []initramfs.File) *packer {
	p := &packer{files: files, dirs: map[string]bool{}}
	for _, f := range files {
		if f.Mode&unix.S_IFMT == initramfs.Directory {
			p.dirs[f.Name] = true
		}
	}
	return p
}

// add adds a file; its path may be absolute.
func (p *packer) add(path string, mode uint32, data []byte) {
	path = strings.TrimPrefix(filepath.Clean("/"+path), "/")
	p.addDir(filepath.Dir(path))
	p.files = append(p.files, initramfs.File{Name: path, Mode: initramfs.Regular | mode, Data: data})
	p.bytes += len(data)
}

func (p *packer) addDir(path string) {
	if path == "." || path == "/" || p.dirs[path] {
		return
	}
	p.addDir(filepath.Dir(path))
	p.dirs[path] = true
	p.files = append(p.files, initramfs.File{Name: path, Mode: initramfs.Directory | 0o755})
}

func (p *packer) addFile(from, to string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	p.add(to, uint32(info.Mode().Perm()), data)
	return nil
}

// addTree adds all regular files below a directory, at the same path, and returns that
// path. Names that begin with a dot are skipped.
func (p *packer) addTree(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	p.addDir(strings.TrimPrefix(dir, "/"))
	return dir, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case p.bytes > maxTaken:
			return fs.SkipAll // and it is refused
		case d.Type().IsRegular():
			return p.addFile(path, path)
		}
		return nil
	})
}
