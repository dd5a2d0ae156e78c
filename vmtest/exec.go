// SPDX-License-Identifier: MIT

package vmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Streams are those of a program.
type Streams struct {
	// Stdin is nil for a program that reads nothing.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// OneFile means that Stdout and Stderr are the same. The program then has one file for
	// both, as here, and what it writes keeps its order.
	OneFile bool
	// Terminal is the size of one that the program shall have, or nil. Its output goes to
	// Stdout.
	Terminal *wire.Size
	Sizes    <-chan wire.Size
	Signals  <-chan os.Signal
	// Started and Ended are called when the program runs, and when it has ended.
	Started, Ended func()
}

// Exec runs the program in a fresh machine of the kernel, and returns its exit code. named
// maps the path where a file that the user fetches is wanted to the path where it is
// written. The error is a [*machine.Failure] if the machine failed, or if the kernel
// complained.
func (h *Host) Exec(ctx context.Context, bundle *kernel.Bundle, spec Spec, p *Packed, streams Streams, named func(string) string) (code int, err error) {
	spec.Program = true
	if err := p.fits(spec.Defaults().MemoryMiB); err != nil {
		return 0, err
	}
	leave, err := h.enterLane(ctx, spec.Defaults().MemoryMiB)
	if err != nil {
		return 0, err
	}
	defer leave()
	keep := spec.Console
	spec.Console = ""
	machines, err := h.Machines(ctx, bundle, spec)
	if err != nil {
		return 0, err
	}
	defer func() {
		if keep != "" {
			err = errors.Join(err, copyFile(keep, machines.Config().Console))
		}
		err = errors.Join(err, machines.Close())
	}()
	guest, err := machines.Fresh(ctx)
	if err != nil {
		return 0, err
	}
	defer guest.Kill()
	return p.run(ctx, guest, bundle, streams, named)
}

// run runs the program in a machine.
func (p *Packed) run(ctx context.Context, guest *Guest, bundle *kernel.Bundle, streams Streams, named func(string) string) (int, error) {
	session, err := p.fresh()
	if err != nil {
		return 0, err
	}
	session.Stdin, session.OneFile, session.Terminal = streams.Stdin != nil, streams.OneFile, streams.Terminal
	files, err := p.with(bundle, &session)
	if err != nil {
		return 0, err
	}
	back := &returned{packed: p, named: named, got: map[string]bool{}}
	last := &lastLine{}
	s := &machine.Session{
		Session: session, Files: files.write, Input: streams.Stdin, Returned: back.read,
		Signals: streams.Signals, Sizes: streams.Sizes, Started: streams.Started,
		Output: func(stream wire.Stream, data []byte, after time.Duration) error {
			last.add(data, after)
			to := streams.Stdout
			if stream == wire.Stderr {
				to = streams.Stderr
			}
			_, err := to.Write(data)
			return err
		},
	}
	ended, err := guest.Machine.Run(ctx, s, p.program.Timeout)
	streams.Ended()
	if err != nil {
		return 0, err
	}
	if err := guest.Machine.AwaitConsole(ctx, []byte(session.Mark+" ended")); err != nil {
		return 0, err
	}
	for _, path := range back.missing() {
		fmt.Fprintf(streams.Stderr, "ringtwin: fetch %s: the program has left no such file\n", path)
	}
	reportChanges(streams.Stderr, ended)
	return ended.Code, p.complaints(guest, streams.Stderr, ended.Code, last)
}

// reportChanges says what stays in the machine.
func reportChanges(w io.Writer, ended wire.Ended) {
	if ended.Count == 0 {
		return
	}
	more := ""
	if ended.Count > len(ended.Changed) {
		more = ", ..."
	}
	what := "files changed in the machine and stay there (--write-back brings them back)"
	if ended.Count == 1 {
		what = "file changed in the machine and stays there (--write-back brings it back)"
	}
	fmt.Fprintf(w, "ringtwin: %d %s: %s%s\n", ended.Count, what, strings.Join(ended.Changed, ", "), more)
}

// lastLine remembers what a program wrote, and where that is among the kernel's lines.
type lastLine struct {
	lines []written
	rest  []byte
}

type written struct {
	text  string
	after time.Duration // time stamp of the last line on the console before
}

// add adds output. A few hundred lines are kept.
func (l *lastLine) add(data []byte, after time.Duration) {
	const most = 512
	for {
		line, more, found := bytes.Cut(data, []byte("\n"))
		l.rest = append(l.rest, line[:min(len(line), max(0, 200-len(l.rest)))]...)
		if !found {
			return
		}
		if text := strings.TrimSpace(strings.Map(printable, string(l.rest))); text != "" {
			l.lines = append(l.lines, written{text, after})
		}
		if len(l.lines) > 2*most {
			l.lines = append(l.lines[:0], l.lines[most:]...)
		}
		l.rest, data = l.rest[:0], more
	}
}

// printable leaves out what a terminal does not show, as the marks of test2json.
func printable(r rune) rune {
	if r != '\t' && !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// before is the last line that was written before a line of the console, or "". stamps are
// the numbers of its lines by their time stamps.
func (l *lastLine) before(line int, stamps map[time.Duration]int) string {
	for i := len(l.lines) - 1; i >= 0; i-- {
		if n, ok := stamps[l.lines[i].after]; ok && n < line {
			return l.lines[i].text
		}
	}
	return ""
}

// copyFile copies a console.
func copyFile(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("keep console: %w", err)
	}
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing has been booted
	}
	if err != nil {
		return fmt.Errorf("keep console: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("keep console: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
