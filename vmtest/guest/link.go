// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// link is the guest's end of a session. Several goroutines may report.
type link struct {
	in  *wire.Reader
	buf *buffer
	log *kernelLog

	mu  sync.Mutex
	out *wire.Writer

	free chan int // slots that may be filled
	// Pieces from the host. It sends no more than it has slots for, so that nothing here
	// waits for a reader.
	files, stdin chan *wire.Chunk
	events       chan wire.ToGuest // signals, sizes of the terminal
	over         chan struct{}     // closed when the host has nothing more to say
}

func newLink(in *wire.Reader, out *wire.Writer, buf *buffer) *link {
	from, to := buf.slots()
	l := &link{
		in: in, out: out, buf: buf, free: make(chan int, to-from),
		files: make(chan *wire.Chunk, from+1), stdin: make(chan *wire.Chunk, from+1),
		events: make(chan wire.ToGuest, 64), over: make(chan struct{}),
	}
	for n := from; n < to; n++ {
		l.free <- n
	}
	return l
}

func (l *link) report(r wire.Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(wire.Answer, r)
}

// listen passes on what the host sends, until the session is over or the host is gone.
func (l *link) listen() {
	defer close(l.over)
	defer close(l.files)
	defer close(l.stdin)
	defer close(l.events)
	for {
		frame, err := l.in.Read()
		if errors.As(err, new(*wire.GarbageError)) {
			continue // a piece is missing then, and its checksum or the end says so
		}
		var m wire.ToGuest
		if err != nil || frame.Kind != wire.Input || json.Unmarshal(frame.Body, &m) != nil || m.Over {
			return
		}
		switch {
		case m.Free != nil:
			l.free <- *m.Free
		case m.Chunk == nil:
			select {
			case l.events <- m:
			default: // nobody has taken 64 signals
			}
		case m.Chunk.Stream == wire.Stdin:
			l.stdin <- m.Chunk
		case m.Chunk.Stream == wire.Files:
			l.files <- m.Chunk
		}
	}
}

// source reads a stream from the host.
type source struct {
	link  *link
	from  <-chan *wire.Chunk
	data  []byte
	slot  int
	holds bool
	ended bool
}

func (s *source) Read(p []byte) (int, error) {
	for len(s.data) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

func (s *source) next() (err error) {
	if s.holds {
		s.holds = false
		if err := s.link.report(wire.Report{Free: &s.slot}); err != nil {
			return err
		}
	}
	if s.ended {
		return io.EOF
	}
	c, ok := <-s.from
	if !ok {
		return io.ErrUnexpectedEOF
	}
	if c.End {
		s.ended = true
		return io.EOF
	}
	s.slot, s.holds = c.Slot, true
	s.data, err = s.link.buf.data(c)
	return err
}

// sink writes a stream to the host.
type sink struct {
	link   *link
	stream wire.Stream
}

func (s sink) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := <-s.link.free
		piece := copy(s.link.buf.slot(n), p[done:])
		if err := s.send(n, piece, 0); err != nil {
			return done, err
		}
		done += piece
	}
	return len(p), nil
}

// send reports what a slot has been filled with, and takes care of the slot.
func (s sink) send(slot, bytes int, after int64) error {
	data := s.link.buf.slot(slot)[:bytes]
	c := &wire.Chunk{Stream: s.stream, After: after}
	if bytes <= wire.InlineBytes {
		c.Data = append([]byte(nil), data...)
		s.link.free <- slot
	} else {
		c.Slot, c.Bytes = slot, bytes
	}
	return s.link.report(wire.Report{Chunk: c})
}

func (s sink) end() error {
	return s.link.report(wire.Report{Chunk: &wire.Chunk{Stream: s.stream, End: true}})
}

// answerProgram runs a program and answers as for a request.
func answerProgram(in *wire.Reader, out *wire.Writer, buf *buffer, s wire.Session) error {
	if buf == nil {
		return out.Write(wire.Error, "this machine is not one for programs")
	}
	l := newLink(in, out, buf)
	go l.listen()
	err := l.run(s)
	l.mu.Lock()
	if err != nil {
		err = out.Write(wire.Error, err.Error())
	} else {
		err = out.Write(wire.Done, struct{}{})
	}
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	<-l.over
	return nil
}
