// SPDX-License-Identifier: MIT

package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
)

// chunkLines is the number of lines decoded at a time, and chunkBytes the maximum size of
// a chunk of several lines.
const (
	chunkLines = 64
	chunkBytes = 1 << 20
)

// chunk is some lines and their decoded records.
type chunk struct {
	text  []byte
	lines []line
	done  chan struct{}
}

// chunks are reused: no record points into them.
var chunks = sync.Pool{New: func() any { return &chunk{} }}

type line struct {
	number, start, end int
	trial              Trial
	err                error // from before decoding, or of decoding
}

// decodeAll passes the records of all lines to take, in order, and decodes on all CPUs.
// Empty lines are skipped. It returns an error of the reader.
func decodeAll(r io.Reader, how jsonv2.Options, take func(number int, t *Trial, err error)) error {
	workers := runtime.GOMAXPROCS(0)
	ordered, work := make(chan *chunk, 2*workers), make(chan *chunk, 2*workers)
	for range workers {
		go func() {
			for c := range work {
				c.decode(how)
				close(c.done)
			}
		}()
	}
	var failed error
	go func() {
		defer close(ordered)
		defer close(work)
		failed = split(r, func(c *chunk) {
			c.done = make(chan struct{})
			work <- c
			ordered <- c
		})
	}()
	for c := range ordered {
		<-c.done
		for i := range c.lines {
			take(c.lines[i].number, &c.lines[i].trial, c.lines[i].err)
		}
		clear(c.lines)
		c.text, c.lines = c.text[:0], c.lines[:0]
		chunks.Put(c)
	}
	return failed
}

func (c *chunk) decode(how jsonv2.Options) {
	for i := range c.lines {
		l := &c.lines[i]
		if l.err == nil || errors.Is(l.err, ErrTruncated) {
			if t, err := decode(c.text[l.start:l.end], how); err == nil {
				l.trial, l.err = t, nil // the last line needs no end
			} else if l.err == nil {
				l.err = err
			}
		}
	}
}

// split reads lines and passes them on in chunks.
func split(r io.Reader, give func(*chunk)) error {
	reader := bufio.NewReaderSize(r, 256<<10)
	c := chunks.Get().(*chunk)
	for number := 1; ; number++ {
		start := len(c.text)
		text, long, err := appendLine(c.text, reader)
		c.text = text
		if len(bytes.TrimSpace(text[start:])) > 0 {
			l := line{number: number, start: start, end: len(text)}
			switch {
			case long:
				l.err = fmt.Errorf("longer than %d bytes", maxLine)
			case err != nil:
				l.err = ErrTruncated
			}
			c.lines = append(c.lines, l)
		}
		if err != nil || len(c.lines) == chunkLines || len(c.text) > chunkBytes {
			give(c)
			c = chunks.Get().(*chunk)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after line %d: %w", number-1, err)
		}
	}
}

// appendLine appends the input up to the next end of line. A line that is too long is
// truncated.
func appendLine(text []byte, r *bufio.Reader) (all []byte, long bool, err error) {
	start := len(text)
	for {
		part, err := r.ReadSlice('\n')
		if len(text)-start+len(part) > maxLine {
			long = true
			text = append(text[:start], "too long"...)
		}
		if !long {
			text = append(text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, long, err
		}
	}
}
