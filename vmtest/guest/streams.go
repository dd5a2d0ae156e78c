// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/creack/pty"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// streams are what a program reads from and writes to.
type streams struct {
	theirs   []*os.File // the program's ends
	pumps    []*pump
	terminal *os.File // or nil
	done     chan error
}

// connect gives the program its standard files.
func (l *link) connect(cmd *exec.Cmd, s wire.Session) (_ *streams, err error) {
	t := &streams{done: make(chan error, 2)}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if s.Terminal != nil {
		return t, t.openTerminal(l, cmd, s)
	}
	if s.Stdin {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		t.theirs = append(t.theirs, read)
		cmd.Stdin = read
		go l.feed(write)
	}
	stdout, err := t.pipe(l, wire.Stdout)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout, stdout
	if !s.OneFile {
		stderr, err := t.pipe(l, wire.Stderr)
		if err != nil {
			return nil, err
		}
		cmd.Stderr = stderr
	}
	return t, nil
}

func (t *streams) pipe(l *link, stream wire.Stream) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t.theirs = append(t.theirs, write)
	t.pumps = append(t.pumps, &pump{file: read, sink: sink{l, stream}})
	return write, nil
}

// openTerminal gives the program a terminal, which controls it.
func (t *streams) openTerminal(l *link, cmd *exec.Cmd, s wire.Session) error {
	ours, theirs, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	t.terminal, t.theirs = ours, []*os.File{theirs}
	t.pumps = []*pump{{file: ours, sink: sink{l, wire.Stdout}, hangsUp: true}}
	t.resize(*s.Terminal)
	if err := theirs.Chown(int(s.User.UID), int(s.User.GID)); err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr.Setctty = true
	if s.Stdin {
		go l.feed(endOfTransmission{ours})
	}
	return nil
}

// endOfTransmission ends the input of a terminal, which stays open.
type endOfTransmission struct{ *os.File }

func (e endOfTransmission) Close() error {
	_, err := e.Write([]byte{4}) // Ctrl-D
	return err
}

func (t *streams) resize(size wire.Size) {
	if t.terminal != nil {
		_ = pty.Setsize(t.terminal, &pty.Winsize{Rows: size.Rows, Cols: size.Columns})
	}
}

// started is called when the program has its ends.
func (t *streams) started() {
	for _, file := range t.theirs {
		_ = file.Close()
	}
	t.theirs = nil
	for _, p := range t.pumps {
		go func() { t.done <- p.run() }()
	}
}

// drain sends what the program has written until it ended. Who holds the other ends still
// is not waited for.
func (t *streams) drain() error {
	var errs []error
	for _, p := range t.pumps {
		if !p.hangsUp { // a terminal does, when the program that it controls has ended
			errs = append(errs, p.file.SetReadDeadline(time.Unix(1, 0)))
		}
	}
	for range t.pumps {
		errs = append(errs, <-t.done)
	}
	return errors.Join(errs...)
}

func (t *streams) close() {
	for _, file := range t.theirs {
		_ = file.Close()
	}
	for _, p := range t.pumps {
		_ = p.file.Close()
	}
}

// pump sends what is read from a file.
type pump struct {
	file    *os.File
	sink    sink
	hangsUp bool // ends with EIO
}

// run ends at the end of the file, or when the file's deadline is over and nothing is
// left that was written before.
func (p *pump) run() error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	for {
		slot := <-p.sink.link.free
		var n int
		var end error
		var after int64
		err := conn.Read(func(fd uintptr) bool {
			n, after, end = p.fill(int(fd), p.sink.link.buf.slot(slot))
			return n > 0 || end != nil
		})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.sink.link.free <- slot
			return p.rest(conn)
		}
		if err != nil {
			end = err
		}
		switch {
		case n > 0:
			if err := p.sink.send(slot, n, after); err != nil {
				return err
			}
		default:
			p.sink.link.free <- slot
		}
		switch {
		case errors.Is(end, io.EOF), p.hangsUp && errors.Is(end, unix.EIO):
			return nil
		case end != nil:
			return fmt.Errorf("read output: %w", end)
		}
	}
}

// rest sends what is in a pipe now.
func (p *pump) rest(conn interface{ Control(func(uintptr)) error }) (err error) {
	controlErr := conn.Control(func(fd uintptr) {
		var left int
		left, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		for left > 0 && err == nil {
			slot := <-p.sink.link.free
			buf := p.sink.link.buf.slot(slot)
			var n int
			var after int64
			if n, after, err = p.fill(int(fd), buf[:min(left, len(buf))]); n == 0 {
				p.sink.link.free <- slot
				break
			}
			left -= n
			err = p.sink.send(slot, n, after)
		}
	})
	return errors.Join(controlErr, err)
}

// fill reads what there is. All of it was written before the kernel logged anything after
// the line with the time stamp. err is nil if there may be more later.
func (p *pump) fill(fd int, buf []byte) (n int, after int64, err error) {
	log := p.sink.link.log
	after = log.stamp()
	if p.hangsUp { // a terminal, whose bytes cannot be counted before they are read
		n, err = readAll(fd, buf)
		return n, after, err
	}
	for tries := 0; n < len(buf); {
		there, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil {
			return n, after, err
		}
		if now := log.stamp(); now != after && tries < maxTries {
			if n > 0 {
				break
			}
			after, tries = now, tries+1
			continue
		}
		if there == 0 {
			if n > 0 {
				break
			}
			switch now := state(fd); {
			case now&unix.POLLIN != 0:
				continue // since it was counted
			case now == 0:
				return 0, after, nil
			}
			there = 1 // no more than the end of the file, or an error
		}
		got, err := readAll(fd, buf[n:min(n+there, len(buf))])
		if n += got; err != nil || got == 0 {
			return n, after, err
		}
	}
	return n, after, nil
}

// maxTries is how often a line of the kernel makes fill look again. Where it logs without a
// pause, the order is not known.
const maxTries = 100

// state is what poll says of a file that is read.
func state(fd int) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, 0); err != nil {
		return 0
	}
	return fds[0].Revents
}

// readAll reads what there is. err is nil if there may be more later.
func readAll(fd int, p []byte) (n int, err error) {
	for n < len(p) {
		got, err := unix.Read(fd, p[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return n, nil
		case err != nil:
			return n, err
		case got == 0:
			return n, io.EOF
		default:
			n += got
		}
	}
	return n, nil
}
