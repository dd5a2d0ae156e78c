// SPDX-License-Identifier: MIT

package progress_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// screen is what a person sees: an emulator that reads the other end of a real
// pseudo-terminal. It is made outside of a bubble of synctest, whose clock would
// stand still while a goroutine of it reads.
type screen struct {
	tty  *os.File // what a program writes to
	ptmx *os.File
	seen chan struct{} // all that was written before the marker is in the emulator

	mu       sync.Mutex
	emulator *vt.Emulator
}

// marker is a byte that nobody else writes, and no emulator gets.
const marker = 0

func newScreen(t *testing.T, rows, columns uint16) *screen {
	t.Helper()
	t.Setenv("TERM", "xterm")
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{tty: tty, ptmx: ptmx, seen: make(chan struct{})}
	t.Cleanup(func() {
		tty.Close()
		ptmx.Close()
	})
	s.resize(t, rows, columns)
	go s.read()
	return s
}

// read ends when the pseudo-terminal is closed.
func (s *screen) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.ptmx.Read(buf)
		if err != nil {
			return
		}
		text, _, synced := bytes.Cut(buf[:n], []byte{marker})
		s.mu.Lock()
		_, _ = s.emulator.Write(text)
		s.mu.Unlock()
		if synced {
			s.seen <- struct{}{}
		}
	}
}

// wait returns when all that was written is on the screen.
func (s *screen) wait(t *testing.T) {
	t.Helper()
	if _, err := s.tty.Write([]byte{marker}); err != nil {
		t.Fatal(err)
	}
	<-s.seen
}

// resize sets the size that the terminal reports, and does what terminals do that
// wrap lines: they wrap them anew, and scroll so that the cursor stays on screen.
// One that does not report its size keeps what it has, at first 24x80.
func (s *screen) resize(t *testing.T, rows, columns uint16) {
	t.Helper()
	if s.emulator != nil {
		s.wait(t)
	}
	if err := pty.Setsize(s.ptmx, &pty.Winsize{Rows: rows, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.emulator
	switch {
	case rows > 0 && columns > 0:
		s.emulator = vt.NewEmulator(int(columns), int(rows))
	case old == nil:
		s.emulator = vt.NewEmulator(80, 24)
	}
	if old == nil || old == s.emulator {
		return
	}
	lines := strings.Split(old.String(), "\n")[:old.CursorPosition().Y+1]
	_, _ = s.emulator.WriteString(strings.Join(lines, "\r\n"))
}

// text returns what is on the screen, and how many lines were scrolled away.
func (s *screen) text(t *testing.T) (text string, scrolled int) {
	t.Helper()
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line := range strings.Lines(s.emulator.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n"), s.emulator.ScrollbackLen()
}

// shows fails the test unless this is on the screen, and so much was scrolled away.
func (s *screen) shows(t *testing.T, scrolled int, lines ...string) {
	t.Helper()
	want := strings.Join(lines, "\n")
	if got, n := s.text(t); got != want || n != scrolled {
		t.Errorf("%d lines scrolled away, want %d; on the screen:\n%s\nwant:\n%s", n, scrolled, got, want)
	}
}
