package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
)

// maxLine bounds one record: a thousand times what one takes.
const maxLine = 4 << 20

// LineError is a line that is no record. The lines after it can still be read.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Write appends one record as one line.
func Write(w io.Writer, t *Trial) error {
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", t.ID, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Read returns all records that r holds. A line that is no record, or one that was
// there before, is left out and is a [LineError] in the joined error, beside which
// the rest is returned.
func Read(r io.Reader) ([]Trial, error) {
	var trials []Trial
	err := Each(r, func(t *Trial) { trials = append(trials, *t) })
	return trials, err
}

// Each is [Read] that hands the records over one by one, in order: what take does
// not keep of them takes no memory, and the record itself is not its to keep.
// Lines are decoded on all cores.
func Each(r io.Reader, take func(*Trial)) error {
	var errs []error
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	type place struct{ run, id string }
	seen := map[place]int{}
	line := 0
	batch := make([]decoded, 0, batchLines)
	flush := func() {
		decodeAll(batch)
		for i := range batch {
			d := &batch[i]
			at := place{d.trial.Trial.Run, d.trial.ID}
			if before := seen[at]; d.err == nil && before > 0 && at.id != "" {
				d.err = fmt.Errorf("trial %s of run %q is in line %d already", at.id, at.run, before)
			}
			if d.err != nil {
				errs = append(errs, &LineError{Line: d.line, Err: d.err})
				continue
			}
			seen[at] = d.line
			take(&d.trial)
		}
		batch = batch[:0]
	}
	for scanner.Scan() {
		line++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		batch = append(batch, decoded{line: line, text: bytes.Clone(scanner.Bytes())})
		if len(batch) == batchLines {
			flush()
		}
	}
	flush()
	if err := scanner.Err(); err != nil {
		errs = append(errs, &LineError{Line: line + 1, Err: err})
	}
	return errors.Join(errs...)
}

// batchLines are decoded together: some megabytes.
const batchLines = 512

// decoded is a line and what is in it.
type decoded struct {
	line  int
	text  []byte
	trial Trial
	err   error
}

func decodeAll(batch []decoded) {
	var wg sync.WaitGroup
	share := (len(batch) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for part := range slices.Chunk(batch, max(share, 1)) {
		wg.Go(func() {
			for i := range part {
				part[i].trial, part[i].err = decode(part[i].text)
			}
		})
	}
	wg.Wait()
}

func decode(line []byte) (Trial, error) {
	var t Trial
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&t)
	if err == nil && t.Schema == Schema {
		return t, nil
	}
	// A record of another version has other fields: say that first.
	var head struct {
		Schema string `json:"schema"`
	}
	if other := json.Unmarshal(line, &head); other != nil {
		return Trial{}, other
	}
	if head.Schema != Schema {
		return Trial{}, fmt.Errorf("schema %q, want %q", head.Schema, Schema)
	}
	return Trial{}, err
}

// ReadFile is [Read] on a file; errors name it.
func ReadFile(path string) ([]Trial, error) {
	var trials []Trial
	err := EachOfFile(path, func(t *Trial) { trials = append(trials, *t) })
	return trials, err
}

// EachOfFile is [Each] on a file; errors name it.
func EachOfFile(path string, take func(*Trial)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := Each(file, take); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
