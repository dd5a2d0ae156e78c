package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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

// Read returns all records that r holds. A line that is no record is left out
// and is a [LineError] in the joined error, beside which the rest is returned.
func Read(r io.Reader) ([]Trial, error) {
	var trials []Trial
	var errs []error
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	line := 0
	for scanner.Scan() {
		line++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		t, err := decode(scanner.Bytes())
		if err != nil {
			errs = append(errs, &LineError{Line: line, Err: err})
			continue
		}
		trials = append(trials, t)
	}
	if err := scanner.Err(); err != nil {
		errs = append(errs, &LineError{Line: line + 1, Err: err})
	}
	return trials, errors.Join(errs...)
}

func decode(line []byte) (Trial, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Trial{}, err
	}
	if head.Schema != Schema {
		return Trial{}, fmt.Errorf("schema %q, want %q", head.Schema, Schema)
	}
	var t Trial
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return Trial{}, err
	}
	return t, nil
}

// ReadFile is [Read] on a file; errors name it.
func ReadFile(path string) ([]Trial, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	trials, err := Read(file)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return trials, err
}
