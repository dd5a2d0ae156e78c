// SPDX-License-Identifier: MIT

package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Terminals do not agree on the cells of every character, and may become narrower
// just before they draw. Without DECAWM a line that is too long after all is cut.
const wrapOff, wrapOn = "\x1b[?7l", "\x1b[?7h"

// size is that of a terminal, in cells.
type size struct{ rows, columns int }

// size asks the terminal each time: it may be resized between two draws. It is
// unknown if there is no terminal, or if either dimension is 0.
func (t *Table) size() (s size, known bool) {
	if t.terminal == nil {
		return size{}, false
	}
	columns, rows, err := term.GetSize(int(t.terminal.Fd()))
	return size{rows, columns}, err == nil && rows > 0 && columns > 0
}

// draw draws the table in place of the one before. It reports false if it cannot:
// without a terminal, and while the terminal's size is unknown.
//
// The cursor is left at the end of the last line, not below it: a table as high as
// the terminal would scroll it otherwise, and could not be drawn over.
func (t *Table) draw() bool {
	s, known := t.size()
	if !known {
		t.leave()
		return false
	}
	text, lines := t.eraser(s), t.lines(s)
	if len(lines) > 0 {
		text += wrapOff + strings.Join(lines, "\n") + wrapOn
	}
	_, _ = io.WriteString(t.w, text) // in one piece: nobody sees half of a table
	t.drawn = lines
	return true
}

// erase removes the table, and leaves the cursor where it began.
func (t *Table) erase() {
	s, known := t.size()
	if !known {
		t.leave()
		return
	}
	_, _ = io.WriteString(t.w, t.eraser(s))
	t.drawn = nil
}

// leave moves below the table, which stays.
func (t *Table) leave() {
	if len(t.drawn) > 0 {
		fmt.Fprintln(t.w)
	}
	t.drawn = nil
}

// eraser returns what moves the cursor from the table's end to its beginning, and
// erases the terminal from there.
//
// A terminal that has become narrower since has wrapped the lines that no longer
// fit, as VTE, kitty and tmux do. What has left its top then is out of reach: the
// cursor stops there. A terminal that cuts such lines instead, as xterm does, loses
// a line above the table for each row that wrapping would have added: which kind
// it is cannot be known without reading from it.
func (t *Table) eraser(s size) string {
	if len(t.drawn) == 0 {
		return ""
	}
	rows := 0
	for _, line := range t.drawn {
		rows += 1 + strings.Count(runewidth.Wrap(line, s.columns), "\n")
	}
	if rows == 1 {
		return "\r\x1b[J" // terminals take a move by 0 rows as one by 1
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", rows-1)
}

// lines returns the table, of each line no more than fits: one that wraps could
// scroll the terminal.
func (t *Table) lines(s size) []string {
	rows := visible(t.rows, s.rows)
	width := 0
	for _, r := range rows {
		width = max(width, runewidth.StringWidth(printable(r.name)))
	}
	var lines []string
	for _, r := range rows {
		line := runewidth.FillRight(printable(r.name), width) + "  " + printable(r.phase)
		if !r.done {
			line += fmt.Sprintf("  %.1f s", time.Since(r.begun).Seconds())
		}
		lines = append(lines, strings.TrimRight(runewidth.Truncate(line, s.columns, ""), " "))
	}
	return lines
}

// visible returns at most n rows, in their order: first of all those that are not
// done, from the top, because things are done in that order and the last ones only
// wait; then those that were added last.
func visible(rows []*row, n int) []*row {
	hidden := len(rows) - n
	if hidden <= 0 {
		return rows
	}
	hide := map[*row]bool{}
	for _, r := range rows {
		if r.done && len(hide) < hidden {
			hide[r] = true
		}
	}
	for i := len(rows) - 1; len(hide) < hidden; i-- {
		hide[rows[i]] = true
	}
	var shown []*row
	for _, r := range rows {
		if !hide[r] {
			shown = append(shown, r)
		}
	}
	return shown
}
