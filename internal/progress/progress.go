// SPDX-License-Identifier: MIT

// Package progress shows what is being done for each of several things, such as
// kernels, while it is being done.
//
// On a terminal it is a table with a line for each thing, which is drawn in place
// of the one before. Elsewhere, and on a terminal whose size is unknown, it is a
// plain line for each phase when the phase begins. A pseudo-terminal has the size
// 0x0 until somebody sets it, and many runners of workflows never do.
//
// It draws no bars, knows of no total, and does not read from the terminal. What
// else is written to the terminal while a table is on it has to go through
// [Table.Note], or come after [Table.End].
//
// A [Table] is safe for concurrent use.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"
)

// period is how often a table is drawn while nothing but time changes.
const period = 200 * time.Millisecond

// Table is the progress of several things. It is safe for concurrent use.
type Table struct {
	w        io.Writer
	terminal *os.File // nil: w is none

	mu    sync.Mutex
	rows  []*row
	drawn []string      // the lines on the terminal; the cursor is at the end of the last
	stop  chan struct{} // nil: nothing redraws
}

// row is the progress of one thing.
type row struct {
	name, phase string
	begun       time.Time // of the phase
	done        bool
}

// New returns an empty table, which is shown on w.
func New(w io.Writer) *Table {
	t := &Table{w: w}
	// A dumb terminal understands no escape sequences, whatever its size.
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		t.terminal = file
	}
	return t
}

// Phase shows what is being done for name from now on.
func (t *Table) Phase(name, phase string) { t.set(name, phase, false) }

// Done shows the result for name, which is finished. Without a result name is no longer
// shown.
func (t *Table) Done(name, result string) {
	if result == "" {
		t.forget(name)
		return
	}
	t.set(name, result, true)
}

func (t *Table) set(name, phase string, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.row(name)
	begins := r.phase != phase
	if begins {
		r.phase, r.begun = phase, time.Now()
	}
	r.done = done
	if t.terminal != nil && t.stop == nil {
		t.stop = make(chan struct{})
		go t.redraw(t.stop)
	}
	if !t.draw() && begins {
		fmt.Fprintf(t.w, "%s: %s\n", printable(name), printable(phase))
	}
}

// Note writes a line that is not about one thing. It stays, above the table.
func (t *Table) Note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	fmt.Fprintln(t.w, printable(text))
	t.draw()
}

// forget removes name from the table.
func (t *Table) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = slices.DeleteFunc(t.rows, func(r *row) bool { return r.name == name })
	t.draw()
}

// End leaves the table as it stands, for others to write below it. What is shown
// after that begins a new table. It may be called twice.
func (t *Table) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		close(t.stop)
		t.stop = nil
	}
	t.draw()
	t.leave()
	t.rows = nil // so that a redraw that is late finds nothing to draw
}

// row returns that of name, which it adds if there is none.
func (t *Table) row(name string) *row {
	for _, r := range t.rows {
		if r.name == name {
			return r
		}
	}
	r := &row{name: name}
	t.rows = append(t.rows, r)
	return r
}

// redraw shows how time passes, and draws anew after the terminal was resized.
func (t *Table) redraw(stop <-chan struct{}) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			t.mu.Lock()
			t.draw()
			t.mu.Unlock()
		}
	}
}
