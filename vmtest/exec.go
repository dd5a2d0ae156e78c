// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Packed is an archive of a program and its files. Close it after use.
type Packed struct {
	program *Program
	command wire.Command
	dir     string
}

// Pack collects the files for a machine. An error is a mistake of the user, unless the
// context has ended.
func (p *Program) Pack(ctx context.Context) (*Packed, error) {
	files, command, err := p.pack(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ringtwin-exec-")
	if err != nil {
		return nil, err
	}
	packed := &Packed{program: p, command: command, dir: dir}
	if err := initramfs.WriteFile(packed.archive(), files); err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return packed, nil
}

func (p *Packed) archive() string { return filepath.Join(p.dir, "initramfs.cpio.lz4") }

// Close removes the archive.
func (p *Packed) Close() error { return os.RemoveAll(p.dir) }

// Exec runs the program as root in a fresh machine of the kernel, forwards its output,
// and returns its exit code. named maps the path where a fetched file is wanted to the
// path where it is written. The error is a [*machine.Failure] if the machine failed.
func (h *Host) Exec(
	ctx context.Context, bundle *kernel.Bundle, spec Spec, p *Packed, stdout, stderr io.Writer, named func(string) string,
) (code int, err error) {
	spec.Initramfs, spec.Cold = p.archive(), true
	spec.Console = filepath.Join(p.dir, "console.log")
	machines, err := h.Machines(ctx, bundle, spec)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, machines.Close()) }()
	guest, err := machines.Fresh(ctx)
	if err != nil {
		return 0, err
	}
	defer guest.Kill()
	fetched := map[string]*os.File{}
	defer func() {
		for _, file := range fetched {
			err = errors.Join(err, file.Close())
		}
	}()
	err = guest.Exec(ctx, p.command, p.program.Timeout, func(o wire.Output) error {
		switch {
		case o.Exit != nil:
			code = *o.Exit
			return nil
		case o.File != nil:
			return p.receive(o.File, fetched, named)
		}
		_, err := stdout.Write(o.Stdout)
		_, errErr := stderr.Write(o.Stderr)
		return errors.Join(err, errErr)
	})
	if err != nil {
		return 0, err
	}
	for _, path := range p.command.Fetch {
		if fetched[path] == nil {
			fmt.Fprintf(stderr, "ringtwin: fetch %s: the program has left no such file\n", path)
		}
	}
	return code, guest.Close()
}

// receive writes a piece of a fetched file to its destination.
func (p *Packed) receive(piece *wire.File, open map[string]*os.File, named func(string) string) error {
	file := open[piece.Path]
	if file == nil {
		wanted, err := p.program.wanted(p.command.Dir)
		if err != nil {
			return err
		}
		target := wanted[piece.Path]
		if target == "" {
			return fmt.Errorf("the guest sent %s, which nobody wanted", piece.Path)
		}
		if file, err = os.Create(named(target)); err != nil {
			return fmt.Errorf("bring back file: %w", err)
		}
		open[piece.Path] = file
	}
	data, err := piece.Data()
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return err
}
