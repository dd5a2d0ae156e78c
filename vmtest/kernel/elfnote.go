// SPDX-License-Identifier: MIT

package kernel

import (
	"encoding/binary"
	"strings"
)

// maxNoteBytes bounds an ELF file's notes: a kernel has some hundred bytes.
const maxNoteBytes = 1 << 20

// hasNote reports whether ELF notes have one of that name and type.
func hasNote(notes []byte, order binary.ByteOrder, name string, kind uint32) bool {
	const header = 12
	for len(notes) >= header {
		names, data := align(order.Uint32(notes)), align(order.Uint32(notes[4:]))
		if names+data > uint64(len(notes)-header) {
			return false
		}
		of := string(notes[header : header+uint64(order.Uint32(notes))])
		if order.Uint32(notes[8:]) == kind && strings.TrimRight(of, "\x00") == name {
			return true
		}
		notes = notes[header+names+data:]
	}
	return false
}

// align is the next multiple of four.
func align(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
