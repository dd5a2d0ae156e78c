// SPDX-License-Identifier: MIT

package trace

import (
	"encoding/binary"
	"strings"

	"github.com/ringtwin/ringtwin/harness/ptrace"
	"golang.org/x/sys/unix"
)

// reader reads a tracee's memory, and keeps the first error.
type reader struct {
	ptrace.Memory
	err error
}

func (r *reader) bytes(address uint64, n int) []byte {
	buf := make([]byte, n)
	if r.err == nil {
		r.err = r.Read(address, buf)
	}
	return buf
}

// string reads a C string up to a length that no path or name here has. It reads
// no further than a page, for the next may not be there.
func (r *reader) string(address uint64) string {
	var text []byte
	for len(text) < unix.PathMax {
		piece := r.bytes(address, int(pageBytes-address%pageBytes))
		before, _, ended := strings.Cut(string(piece), "\x00")
		text = append(text, before...)
		if ended || r.err != nil {
			break
		}
		address += uint64(len(piece))
	}
	return string(text)
}

// pageBytes is the smallest page of all architectures.
const pageBytes = 4096

func hostUint32(raw []byte) uint32 { return binary.NativeEndian.Uint32(raw) }
func hostUint64(raw []byte) uint64 { return binary.NativeEndian.Uint64(raw) }
