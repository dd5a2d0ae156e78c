// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/console"
)

// chunkBytes is how much of a console is scanned at once: a kernel may write endlessly.
const chunkBytes = 1 << 20

// logReader scans a growing console once.
type logReader struct {
	path   string
	offset int64
	line   int // complete lines before the first offset

	scanner *console.Scanner
	fresh   []console.Event // since the last call of next
	worst   []console.Event // the worst of all, or none
}

// next returns the splats since the last call, with their line numbers in the whole log.
func (l *logReader) next() ([]console.Event, error) {
	err := l.read()
	events := l.fresh
	l.fresh = nil
	return events, err
}

// end returns the worst splat of a log that grows no more, and false if there is none.
func (l *logReader) end() (console.Event, bool, error) {
	err := l.read()
	if l.scanner != nil {
		l.take(l.scanner.Flush())
	}
	worst, ok := console.Worst(l.worst)
	return worst, ok, err
}

// read scans what is new.
func (l *logReader) read() error {
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // QEMU has not made it yet
	}
	if err != nil {
		return fmt.Errorf("read console: %w", err)
	}
	defer file.Close()
	if l.scanner == nil {
		l.scanner = console.NewScanner(l.line)
	}
	buf := make([]byte, chunkBytes)
	for {
		n, err := file.ReadAt(buf, l.offset)
		l.offset += int64(n)
		l.take(l.scanner.Take(buf[:n]))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read console: %w", err)
		}
	}
}

func (l *logReader) take(events []console.Event) {
	l.fresh = append(l.fresh, events...)
	if worst, ok := console.Worst(append(l.worst, events...)); ok {
		l.worst = []console.Event{worst}
	}
}

// countLines counts what a log has already, however large it is.
func countLines(path string) (lines int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := file.Read(buf)
		lines += bytes.Count(buf[:n], []byte("\n"))
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// size is that of the whole log, and 0 where there is none.
func (l *logReader) size() int64 {
	info, err := os.Stat(l.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// appendFile appends to a file, created if needed, and returns its size.
func appendFile(path string, data []byte) (int64, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	_, err = file.Write(data)
	info, statErr := file.Stat()
	if err := errors.Join(err, statErr, file.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// lastBytes is the end of a file, at most n bytes of it.
func lastBytes(path string, n int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(info.Size()-n, 0), n))
}

// Complaints returns the splats on the console since the last call.
func (m *Machine) Complaints() ([]console.Event, error) { return m.log.next() }

// AwaitConsole waits until the text is on the console of this machine. After a while it
// gives up without an error: a program may have silenced the console.
func (m *Machine) AwaitConsole(ctx context.Context, text []byte) error {
	file, err := os.Open(m.cfg.Console)
	if err != nil {
		return fmt.Errorf("read console: %w", err)
	}
	defer file.Close()
	buf := make([]byte, chunkBytes)
	kept, at := 0, m.logStart
	for deadline := time.Now().Add(m.cfg.Limits.Liveness); time.Now().Before(deadline); {
		n, err := file.ReadAt(buf[kept:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read console: %w", err)
		}
		at += int64(n)
		if bytes.Contains(buf[:kept+n], text) {
			return nil
		}
		have := buf[:kept+n]
		kept = copy(buf, have[max(0, len(have)-len(text)):])
		if n > 0 {
			continue
		}
		select {
		case <-m.ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
