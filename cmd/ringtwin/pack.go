// SPDX-License-Identifier: MIT

package main

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

	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// pack collects what the machine's memory will hold, and the command to run.
func (x *execCmd) pack(ctx context.Context) ([]initramfs.File, guest.Command, error) {
	var command guest.Command
	files, err := initramfs.Base()
	if err != nil {
		return nil, command, err
	}
	program, err := os.ReadFile(x.Program)
	if err != nil {
		return nil, command, err
	}
	if err := initramfs.CheckStatic(program); err != nil {
		return nil, command, fmt.Errorf("%s: %w: its libraries are not taken along; build it with CGO_ENABLED=0, or -static", x.Program, err)
	}
	p := newPacker(files)
	p.add(guestProgram, 0o755, program)
	command = guest.Command{Args: append([]string{"/" + guestProgram}, x.Args...), Env: x.environment(), Dir: "/tmp", Core: x.Core != ""}
	for _, word := range x.In {
		from, to, named := strings.Cut(word, "=")
		if !named {
			to = from
		}
		if err := p.addFile(from, to); err != nil {
			return nil, command, err
		}
	}
	dir := x.Dir
	if dir == "" && strings.HasSuffix(x.Program, ".test") {
		dir = "."
	}
	if dir != "" {
		if command.Dir, err = p.addTree(dir); err != nil {
			return nil, command, err
		}
	}
	wanted, err := x.wanted(command.Dir)
	if err != nil {
		return nil, command, err
	}
	delete(wanted, guest.CorePath) // which the guest knows
	command.Fetch = slices.Sorted(maps.Keys(wanted))
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		stdin, err := readAll(ctx, os.Stdin)
		if err != nil {
			return nil, command, fmt.Errorf("read standard input: %w", err)
		}
		p.add(guestStdin, 0o644, stdin)
		command.Stdin = "/" + guestStdin
	}
	if p.bytes > maxTaken {
		return nil, command, fmt.Errorf("%d MiB to take along, at most %d fit", p.bytes>>20, maxTaken>>20)
	}
	return p.files, command, nil
}

// wanted is where the files of a guest whose program runs in a directory go, by their
// paths there. Two at one place, here or there, are an error.
func (x *execCmd) wanted(dir string) (map[string]string, error) {
	wanted, taken := map[string]string{}, map[string]bool{}
	if x.Core != "" {
		wanted[guest.CorePath], taken[filepath.Clean(x.Core)] = x.Core, true
	}
	for _, word := range x.Fetch {
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

// readAll reads what will be taken along, until the context ends: of a pipe that
// nobody closes there is no end.
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
func (x *execCmd) environment() []string {
	env := []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "TMPDIR=/tmp"}
	for _, word := range x.Env {
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

// addTree adds all regular files below a directory, to where it lies here, and
// returns that. Names that begin with a dot are left out.
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
