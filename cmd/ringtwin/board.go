package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// board shows what is being done for each kernel. On a terminal it is a table
// of a line a kernel that is drawn anew; elsewhere it is a line for each phase
// when it begins. It may be used from several goroutines.
type board struct {
	w    io.Writer
	live bool

	mu    sync.Mutex
	rows  []*row
	drawn int // lines on the terminal
	stop  chan struct{}
	ended chan struct{}
}

type row struct {
	name, phase string
	begun       time.Time
	over        bool
}

func newBoard(w io.Writer) *board {
	file, ok := w.(*os.File)
	return &board{w: w, live: ok && term.IsTerminal(int(file.Fd()))}
}

// phase says what is being done for a kernel now.
func (b *board) phase(name, phase string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(name)
	if r.phase == phase {
		return
	}
	r.phase, r.begun, r.over = phase, time.Now(), false
	if !b.live {
		fmt.Fprintf(b.w, "%s: %s\n", name, phase)
		return
	}
	b.draw()
	if b.stop == nil {
		b.stop, b.ended = make(chan struct{}), make(chan struct{})
		go b.tick(b.stop, b.ended)
	}
}

// done says what came of a kernel.
func (b *board) done(name, result string) {
	b.phase(name, result)
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(name)
	r.over = true
}

// note says something that is of all kernels.
func (b *board) note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	fmt.Fprintln(b.w, text)
	if b.live {
		b.draw()
	}
}

// forget takes a line away that was only needed for a while.
func (b *board) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	for i, r := range b.rows {
		if r.name == name {
			b.rows = append(b.rows[:i], b.rows[i+1:]...)
			return
		}
	}
}

// end leaves the table as it stands. It may be called twice.
func (b *board) end() {
	b.mu.Lock()
	stop, done := b.stop, b.ended
	b.stop = nil
	b.mu.Unlock()
	if stop == nil {
		return
	}
	close(stop)
	<-done
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draw()
	b.drawn = 0
}

func (b *board) row(name string) *row {
	for _, r := range b.rows {
		if r.name == name {
			return r
		}
	}
	r := &row{name: name}
	b.rows = append(b.rows, r)
	return r
}

func (b *board) tick(stop, done chan struct{}) {
	defer close(done)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			b.mu.Lock()
			b.draw()
			b.mu.Unlock()
		}
	}
}

// clear moves to where the table begins, and empties the terminal from there.
func (b *board) clear() {
	if b.live && b.drawn > 0 {
		fmt.Fprintf(b.w, "\x1b[%dA\x1b[J", b.drawn)
		b.drawn = 0
	}
}

// draw writes over the table. Of a line no more is shown than fits: one that
// wraps could not be written over.
func (b *board) draw() {
	var out strings.Builder
	width, height := 80, 24
	if file, ok := b.w.(*os.File); ok {
		if w, h, err := term.GetSize(int(file.Fd())); err == nil {
			width, height = w, h
		}
	}
	names := 0
	for _, r := range b.rows {
		names = max(names, len(r.name))
	}
	rows := b.rows[max(len(b.rows)-height+1, 0):] // the last ones, where not all fit
	for _, r := range rows {
		took := fmt.Sprintf("  %.1f s", time.Since(r.begun).Seconds())
		if r.over {
			took = ""
		}
		line := []rune(fmt.Sprintf("%-*s  %s%s", names, r.name, r.phase, took))
		out.WriteString(string(line[:min(len(line), width-1)]) + "\n")
	}
	b.clear()
	fmt.Fprint(b.w, out.String())
	b.drawn = len(rows)
}
