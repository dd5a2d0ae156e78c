// SPDX-License-Identifier: MIT

package progress

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable makes a text one line that is harmless to a terminal: a name may be a
// path, and a phase the text of an error. As ls does on a terminal, it shows a
// question mark for what is not printable.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return '?'
		}
		return r
	}, text)
}
