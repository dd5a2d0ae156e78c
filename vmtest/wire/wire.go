// SPDX-License-Identifier: MIT

// Package wire frames the bytes that travel between host and guest over a
// serial port, where a kernel or a firmware may write too.
//
// A frame is one line:
//
//	RT1 kind length crc32c body
//
// with the length of the body in bytes, its CRC-32C in eight hex digits, and a body of
// one line of JSON. A line that is not a frame is a separate error, and the frames after
// it can still be read. Reader and Writer are each for one goroutine.
package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// Kind says what a frame is for.
type Kind string

// The kinds of frames.
const (
	Ready   Kind = "ready"   // guest: up, waiting for a request
	Ping    Kind = "ping"    // host: say ready again
	Request Kind = "request" // host: do this
	Exec    Kind = "exec"    // host: run a program of the initramfs
	Program Kind = "program" // host: run a program as on a host
	Input   Kind = "input"   // host: a piece of what a running program gets
	Answer  Kind = "answer"  // guest: one piece of what was asked for
	Done    Kind = "done"    // guest: the request is answered in full
	Error   Kind = "error"   // guest: the request ended with this error
	Symbols Kind = "symbols" // host: read the kernel's symbols
	Exit    Kind = "exit"    // host: power off
)

// MaxBody is the largest body in bytes that a Reader accepts.
const MaxBody = 16 << 20

const magic = "RT1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is one message.
type Frame struct {
	Kind Kind
	Body json.RawMessage
}

// GarbageError is a line that is not a complete frame.
type GarbageError struct {
	Line   []byte // its beginning
	Reason string
}

func (e *GarbageError) Error() string {
	return fmt.Sprintf("not a frame (%s): %q", e.Reason, e.Line)
}

// Writer writes frames.
type Writer struct{ w io.Writer }

// NewWriter returns a Writer; each frame is one call of w.Write.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends a frame whose body is v as JSON.
func (w *Writer) Write(kind Kind, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s frame: %w", kind, err)
	}
	if len(body) > MaxBody {
		return fmt.Errorf("encode %s frame: body of %d bytes, at most %d", kind, len(body), MaxBody)
	}
	var line bytes.Buffer
	fmt.Fprintf(&line, "%s %s %d %08x %s\n", magic, kind, len(body), crc32.Checksum(body, castagnoli), body)
	if _, err := w.w.Write(line.Bytes()); err != nil {
		return fmt.Errorf("write %s frame: %w", kind, err)
	}
	return nil
}

// Reader reads frames.
type Reader struct{ r *bufio.Reader }

// NewReader returns a Reader.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// maxLine is a frame of MaxBody with the longest head.
const maxLine = MaxBody + 128

// Read returns the next frame. It returns [io.EOF] at the end between frames, a
// [*GarbageError] for a line that is no frame, after which it may be called
// again, and any other error of the underlying reader.
func (r *Reader) Read() (Frame, error) {
	line, err := r.line()
	if err != nil {
		return Frame{}, err
	}
	return parse(line)
}

// line reads up to a newline. It gives up on a line that is too long, without keeping it
// in memory.
func (r *Reader) line() ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := r.r.ReadSlice('\n')
		if !tooLong {
			line = append(line, part...)
			tooLong = len(line) > maxLine
		}
		switch {
		case err == nil && tooLong:
			return nil, &GarbageError{Line: head(line), Reason: "line too long"}
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, &GarbageError{Line: head(line), Reason: "cut off"}
		default:
			return nil, err
		}
	}
}

func parse(line []byte) (Frame, error) {
	garbage := func(reason string) (Frame, error) {
		return Frame{}, &GarbageError{Line: head(line), Reason: reason}
	}
	parts := bytes.SplitN(line, []byte(" "), 5)
	if len(parts) != 5 || string(parts[0]) != magic {
		return garbage("no frame head")
	}
	length, err := strconv.ParseUint(string(parts[2]), 10, 63)
	if err != nil {
		return garbage("length is no number")
	}
	body := parts[4]
	if length > MaxBody {
		return garbage("length beyond the limit")
	}
	if uint64(len(body)) != length {
		return garbage(fmt.Sprintf("body of %d bytes, want %d", len(body), length))
	}
	sum, err := strconv.ParseUint(string(parts[3]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(body, castagnoli) {
		return garbage("checksum")
	}
	if !json.Valid(body) {
		return garbage("body is no JSON")
	}
	return Frame{Kind: Kind(parts[1]), Body: body}, nil
}

// head is enough of a line to recognise it.
func head(line []byte) []byte {
	return bytes.Clone(line[:min(len(line), 80)])
}
