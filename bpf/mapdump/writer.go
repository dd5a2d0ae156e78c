// SPDX-License-Identifier: MIT

package mapdump

import (
	"fmt"
	"strconv"
	"strings"
)

// writer writes JSON in bpftool's layout: a name begins a line, an element of an
// array does not, and what closes is on a line of its own unless it is empty.
type writer struct {
	text   strings.Builder
	pretty bool
	depth  int
	comma  bool // something stands in front, at this depth
}

func newWriter(pretty bool) *writer { return &writer{pretty: pretty} }

// element puts a comma between two elements.
func (w *writer) element() {
	if w.comma {
		w.text.WriteByte(',')
	}
	w.comma = true
}

func (w *writer) line() {
	if w.pretty {
		w.text.WriteString("\n" + strings.Repeat("    ", w.depth))
	}
}

func (w *writer) begin(bracket byte) {
	w.element()
	w.text.WriteByte(bracket)
	w.depth++
	w.comma = false
}

func (w *writer) end(bracket byte) {
	w.depth--
	if w.comma {
		w.line()
	}
	w.text.WriteByte(bracket)
	w.comma = true
}

func (w *writer) name(name string) {
	w.element()
	w.line()
	w.comma = false
	w.text.WriteString(strconv.Quote(name) + ":")
	if w.pretty {
		w.text.WriteByte(' ')
	}
}

// raw writes a value that is JSON already.
func (w *writer) raw(format string, args ...any) {
	w.element()
	fmt.Fprintf(&w.text, format, args...)
}

// string writes text, of printable ASCII. bpftool replaces a backslash by a newline; this
// does not:
// jsonw_puts() in https://elixir.bootlin.com/linux/v6.12/source/tools/bpf/bpftool/json_writer.c
func (w *writer) string(text string) { w.raw("%q", text) }

// hex writes bytes as an array of strings.
func (w *writer) hex(name string, bytes []byte) {
	w.name(name)
	w.begin('[')
	for _, b := range bytes {
		w.raw(`"0x%02x"`, b)
	}
	w.end(']')
}
