// SPDX-License-Identifier: MIT

package machine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Session is a program in a machine with shared memory.
type Session struct {
	wire.Session
	// Files writes a tar archive of what the program brings along.
	Files func(io.Writer) error
	// Input is the standard input, or nil. It is read while the program runs, and perhaps
	// further than the program reads.
	Input io.Reader
	// Output takes what the program has written to a stream. after is the time stamp of the
	// last line on the console before.
	Output func(stream wire.Stream, data []byte, after time.Duration) error
	// Returned reads a tar archive of the files that come back.
	Returned func(io.Reader) error
	// Signals and Sizes are passed on to the program and to its terminal.
	Signals <-chan os.Signal
	Sizes   <-chan wire.Size
	// Started is called when the program runs.
	Started func()
}

// talk is the host's end of a session.
type talk struct {
	m       *Machine
	s       *Session
	said    sync.Mutex
	free    chan int // slots that may be filled
	over    chan struct{}
	pieces  [wire.SlotBytes]byte
	ended   *wire.Ended
	archive *io.PipeWriter
}

// Run runs a program and returns how it ended. Errors are as for [Machine.Do].
func (m *Machine) Run(ctx context.Context, s *Session, timeout time.Duration) (wire.Ended, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if m.files.window == nil {
		return wire.Ended{}, errNotShared
	}
	deadline := time.After(timeout)
	switch err := m.say(ctx, wire.Program, s.Session, deadline); {
	case errors.Is(err, errTimeout):
		return wire.Ended{}, m.silent(err)
	case ctx.Err() != nil:
		return wire.Ended{}, m.failure(Lost, err)
	case err != nil:
		return wire.Ended{}, m.failure(Lost, fmt.Errorf("%w: %w", m.gone(), err))
	}
	const slots = wire.BufferBytes / wire.SlotBytes / 2
	t := &talk{m: m, s: s, free: make(chan int, slots), over: make(chan struct{})}
	for n := range slots {
		t.free <- n
	}
	defer close(t.over)
	returned := make(chan error, 1)
	read, write := io.Pipe()
	t.archive = write
	go func() {
		err := s.Returned(read)
		returned <- err
		_ = read.CloseWithError(err)
	}()
	go func() {
		// What cannot be read here ends the session: the guest would wait for it.
		if err := t.sendFiles(); err != nil {
			cancel(err)
			return
		}
		// Only then: nobody takes input before the files are there, and it would fill all
		// slots that they need.
		if s.Input != nil {
			t.sendInput()
		}
	}()
	go t.passOn()
	err := m.answers(ctx, deadline, t.take)
	_ = write.CloseWithError(io.ErrUnexpectedEOF) // no effect after its end
	backErr := <-returned
	if err != nil && !errors.As(err, new(GuestError)) {
		return wire.Ended{}, err
	}
	if sayErr := t.say(wire.ToGuest{Over: true}); err == nil {
		err = sayErr
	}
	switch {
	case err != nil:
		return wire.Ended{}, err
	case t.ended == nil:
		return wire.Ended{}, m.failure(Lost, errors.New("guest did not say how the program ended"))
	}
	return *t.ended, backErr
}

// take takes what the guest reports.
func (t *talk) take(body json.RawMessage) error {
	var r wire.Report
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	switch {
	case r.Free != nil:
		if len(t.free) == cap(t.free) || *r.Free < 0 || *r.Free >= cap(t.free) {
			return fmt.Errorf("guest freed slot %d", *r.Free)
		}
		t.free <- *r.Free
	case r.Started:
		t.s.Started()
	case r.Ended != nil:
		t.ended = r.Ended
	case r.Chunk != nil:
		return t.receive(r.Chunk)
	}
	return nil
}

func (t *talk) receive(c *wire.Chunk) error {
	data := c.Data
	if c.Bytes != 0 {
		if c.Bytes < 0 || c.Bytes > wire.SlotBytes || c.Slot < cap(t.free) || c.Slot >= 2*cap(t.free) {
			return fmt.Errorf("guest sent %d bytes in slot %d", c.Bytes, c.Slot)
		}
		data = t.pieces[:c.Bytes]
		if _, err := t.m.files.window.ReadAt(data, int64(c.Slot)*wire.SlotBytes); err != nil {
			return fmt.Errorf("read buffer of machine: %w", err)
		}
		if err := t.say(wire.ToGuest{Free: &c.Slot}); err != nil {
			return err
		}
	}
	var err error
	switch {
	case c.Stream == wire.Files && c.End:
		err = t.archive.Close()
	case c.Stream == wire.Files:
		if _, err = t.archive.Write(data); err != nil {
			err = nil // the reader has said why
		}
	case len(data) > 0:
		err = t.s.Output(c.Stream, data, time.Duration(c.After)*time.Microsecond)
	}
	return err
}

func (t *talk) say(what wire.ToGuest) error {
	t.said.Lock()
	defer t.said.Unlock()
	return t.m.out.Write(wire.Input, what)
}

// sendFiles sends what the program brings along.
func (t *talk) sendFiles() error {
	buffered := bufio.NewWriterSize(stream{t, wire.Files}, wire.SlotBytes)
	if err := errors.Join(t.s.Files(buffered), buffered.Flush()); err != nil {
		return err
	}
	return t.say(wire.ToGuest{Chunk: &wire.Chunk{Stream: wire.Files, End: true}})
}

// sendInput sends what comes on standard input. An error of the machine is reported by
// who waits for its answers.
func (t *talk) sendInput() {
	buf := make([]byte, wire.SlotBytes)
	for {
		n, err := t.s.Input.Read(buf)
		if _, writeErr := (stream{t, wire.Stdin}).Write(buf[:n]); writeErr != nil {
			return
		}
		if err != nil {
			_ = t.say(wire.ToGuest{Chunk: &wire.Chunk{Stream: wire.Stdin, End: true}})
			return
		}
	}
}

// passOn passes signals and sizes of the terminal on.
func (t *talk) passOn() {
	for {
		var m wire.ToGuest
		select {
		case s := <-t.s.Signals:
			number, ok := s.(syscall.Signal)
			if !ok {
				continue
			}
			m.Signal = int(number)
		case size := <-t.s.Sizes:
			m.Size = &size
		case <-t.over:
			return
		}
		if t.say(m) != nil {
			return
		}
	}
}

// stream writes to a stream of the guest.
type stream struct {
	t    *talk
	name wire.Stream
}

var errOver = errors.New("the session is over")

func (s stream) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		var slot int
		select {
		case slot = <-s.t.free:
		case <-s.t.over:
			return done, errOver
		}
		piece := p[done:min(done+wire.SlotBytes, len(p))]
		c := &wire.Chunk{Stream: s.name, Slot: slot}
		if len(piece) <= wire.InlineBytes {
			c.Data = bytes.Clone(piece)
		} else {
			if _, err := s.t.m.files.window.WriteAt(piece, int64(slot)*wire.SlotBytes); err != nil {
				return done, fmt.Errorf("write buffer of machine: %w", err)
			}
			c.Bytes = len(piece)
		}
		if err := s.t.say(wire.ToGuest{Chunk: c}); err != nil {
			return done, err
		}
		done += len(piece)
	}
	return len(p), nil
}
