// SPDX-License-Identifier: MIT

// Package markdown escapes text that a kernel or a user chose, for documents that a CI
// renders.
package markdown

import "strings"

var escapes = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;",
	"*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "\n", " ", "\r", " ")

// Escape makes text one line that has no markup, in a table too.
func Escape(text string) string { return escapes.Replace(text) }

// Limited adds text to a document while there is room, and counts what is left out. After
// the first omission nothing more is added.
type Limited struct {
	B *strings.Builder
	// Left is the room in bytes, Out the number of omissions.
	Left, Out int
}

// Add adds text if there is room.
func (l *Limited) Add(text string) {
	if l.Left -= len(text); l.Left < 0 || l.Out > 0 {
		l.Out++
		return
	}
	l.B.WriteString(text)
}
