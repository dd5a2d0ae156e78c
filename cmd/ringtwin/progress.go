package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows what is being done. On a terminal a phase is one line that
// counts its seconds; elsewhere it is one line when it begins.
type progress struct {
	w    io.Writer
	live bool

	mu    sync.Mutex
	name  string
	begun time.Time
	stop  chan struct{}
	done  chan struct{}
}

func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	return &progress{w: w, live: ok && term.IsTerminal(int(file.Fd()))}
}

// phase ends the phase before it and begins another.
func (p *progress) phase(name string) {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.begun = name, time.Now()
	if !p.live {
		fmt.Fprintln(p.w, name)
		return
	}
	p.draw()
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go p.tick(p.stop, p.done)
}

func (p *progress) tick(stop, done chan struct{}) {
	defer close(done)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// draw writes over the line, of which no more is shown than fits: a line that
// wraps could not be written over.
func (p *progress) draw() {
	took := fmt.Sprintf("  %.1f s", time.Since(p.begun).Seconds())
	name := []rune(p.name)
	if width, _, err := term.GetSize(int(p.w.(*os.File).Fd())); err == nil && len(name)+len(took) >= width {
		name = name[:max(width-len(took)-1, 0)]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s%s", string(name), took)
}

// end leaves the last phase as it stands. It may be called twice.
func (p *progress) end() {
	p.mu.Lock()
	stop, done := p.stop, p.done
	p.stop = nil
	p.mu.Unlock()
	if stop == nil {
		return
	}
	close(stop)
	<-done
	p.draw()
	fmt.Fprintln(p.w)
}
