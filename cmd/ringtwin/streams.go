// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/ringtwin/ringtwin/internal/output"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// streams returns what makes the program's streams, which are those of this process.
// restore is called at the end.
func (x *execCmd) streams(e *env, signals *signals, several bool) (_ func() vmtest.Streams, restore func(), err error) {
	restore = func() {}
	s := vmtest.Streams{
		Stdin: os.Stdin, Stdout: e.stdout, Stderr: e.stderr, OneFile: oneFile(e.stdout, e.stderr),
		Signals: signals.program, Started: signals.started, Ended: signals.ended,
	}
	stdin := int(os.Stdin.Fd())
	isTerminal := term.IsTerminal(stdin)
	if isTerminal && inBackground(stdin) {
		s.Stdin = nil // reading would stop this process
	}
	if x.TTY {
		s.Terminal = &wire.Size{Rows: 24, Columns: 80}
		if isTerminal && s.Stdin != nil {
			if s.Sizes, restore, err = rawTerminal(stdin, s.Terminal); err != nil {
				return nil, nil, err
			}
		}
	}
	if !several || s.Stdin == nil {
		return func() vmtest.Streams { return s }, restore, nil
	}
	// Each kernel gets the same.
	text, err := readInput(e.ctx, os.Stdin)
	if err != nil {
		restore()
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	return func() vmtest.Streams {
		s.Stdin = bytes.NewReader(text)
		return s
	}, restore, nil
}

// readInput reads until the end, or until the context ends: a pipe that nobody closes has
// no end.
func readInput(ctx context.Context, r io.Reader) ([]byte, error) {
	const most = 256 << 20
	type input struct {
		text []byte
		err  error
	}
	read := make(chan input, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(r, most+1))
		if err == nil && len(text) > most {
			err = fmt.Errorf("more than %d MiB for several kernels", most>>20)
		}
		read <- input{text, err}
	}()
	select {
	case in := <-read:
		return in.text, in.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// oneFile reports whether both write to the same open file, or to files that cannot be
// told apart.
func oneFile(stdout, stderr io.Writer) bool {
	if o, ok := stdout.(*output.Writer); ok {
		stdout = o.Writer
	}
	a, ok := stdout.(*os.File)
	b, also := stderr.(*os.File)
	if !ok || !also {
		return false
	}
	one, err := a.Stat()
	two, otherErr := b.Stat()
	return err == nil && otherErr == nil && os.SameFile(one, two)
}

// inBackground reports whether a terminal is another job's.
func inBackground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group != unix.Getpgrp()
}

// rawTerminal passes every key on, and reports the terminal's size.
func rawTerminal(fd int, size *wire.Size) (<-chan wire.Size, func(), error) {
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("set up terminal: %w", err)
	}
	now := func() (s wire.Size) {
		if columns, rows, err := term.GetSize(fd); err == nil {
			s = wire.Size{Rows: uint16(rows), Columns: uint16(columns)}
		}
		return s
	}
	*size = now()
	changed, sizes := make(chan os.Signal, 1), make(chan wire.Size, 1)
	signal.Notify(changed, unix.SIGWINCH)
	go func() {
		for range changed {
			sizes <- now()
		}
	}()
	return sizes, func() {
		signal.Stop(changed)
		_ = term.Restore(fd, state)
	}, nil
}

// signals passes those that this process gets on to a program while that runs. At other
// times they end the command.
type signals struct {
	env     *env
	program chan os.Signal
	running atomic.Bool
}

// errInterrupted is how a signal ends the command: as a context that is cancelled.
var errInterrupted error = interruptedError{}

type interruptedError struct{}

func (interruptedError) Error() string        { return "interrupted" }
func (interruptedError) Is(target error) bool { return target == context.Canceled }

// mostPassedOn is how many signals that end a program it may get before the command ends.
const mostPassedOn = 3

// passSignals returns an environment whose context ends by a signal that is not the
// program's.
func passSignals(e *env) (*signals, func()) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	s := &signals{env: &env{ctx, e.stdout, e.stderr}, program: make(chan os.Signal, 16)}
	got := make(chan os.Signal, 16)
	// They end nothing else any more: see main.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		ending := 0
		for sig := range got {
			ends := sig != syscall.SIGUSR1 && sig != syscall.SIGUSR2
			if ends {
				ending++
			}
			if ends && (!s.running.Load() || ending > mostPassedOn) {
				cancel(errInterrupted)
				continue
			}
			select {
			case s.program <- sig:
			default: // it does not take them
			}
		}
	}()
	return s, func() {
		signal.Stop(got)
		cancel(nil)
	}
}

func (s *signals) started() { s.running.Store(true) }
func (s *signals) ended()   { s.running.Store(false) }
