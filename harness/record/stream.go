// SPDX-License-Identifier: MIT

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxLine bounds one record: a thousand times its usual size.
const maxLine = 4 << 20

// LineError is an error of a line that is not a valid record. The lines after it can
// still be read.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// ErrTruncated is returned for a last line that was not completely written.
var ErrTruncated = errors.New("the file ends in the middle of a record")

// Write appends one record as one line.
func Write(w io.Writer, t *Trial) error {
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", t.ID, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Read returns all records that r holds. An invalid line, or a repeated record, is
// skipped and is a [LineError] in the joined error. The other records are returned too.
func Read(r io.Reader) ([]Trial, error) { return read(r, strict, func(*Trial) {}) }

// strict rejects unknown fields.
var strict = jsonv2.RejectUnknownMembers(true)

// figures is strict too, and skips ledgers.
var figures = jsonv2.JoinOptions(strict, jsonv2.WithUnmarshalers(
	jsonv2.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *[]Invariant) error { return d.SkipValue() }),
))

// ReadFigures is [Read] without the fields that only matter for single trials:
// histograms, ledgers, the machines' commands. Repeated text is stored once. It is for
// many records.
func ReadFigures(r io.Reader) ([]Trial, error) {
	texts := texts{known: map[string]string{}, tools: map[Tool]*Tool{}}
	return read(r, figures, func(t *Trial) {
		for _, l := range []*Latency{t.Latency, t.Intended} {
			if l != nil {
				l.HDR = ""
			}
		}
		t.Machine.Command = ""
		texts.once(t)
	})
}

// texts stores repeated text once.
type texts struct {
	known map[string]string
	last  []string // those of the trial before, which are most often the same
	tools map[Tool]*Tool
}

func (t *texts) once(trial *Trial) {
	k, m, c, p := &trial.Kernel, &trial.Machine, &trial.Cell, &trial.Trial
	all := [...]*string{
		&trial.Schema, (*string)(&trial.Status), &trial.Reason, &k.Want, &k.Release, &k.Source, &k.Package, &k.SHA256, &k.Config.Preempt,
		&m.Backend, &m.Accel, &m.Clock, &m.CPUModel, &m.Version, (*string)(&c.Transport), (*string)(&c.Policy), (*string)(&c.Attach), (*string)(&c.Workload),
		(*string)(&c.Equal), (*string)(&c.Placement), (*string)(&c.Fault), &p.Run, &p.Plan, &p.Scenario, &p.Side, &p.Order,
	}
	if t.last == nil {
		t.last = make([]string, len(all))
	}
	for i, text := range all {
		if *text != t.last[i] {
			known, ok := t.known[*text]
			if !ok {
				known = *text
				t.known[known] = known
			}
			t.last[i] = known
		}
		*text = t.last[i]
	}
	if tool := trial.Tool; tool != nil {
		if t.tools[*tool] == nil {
			t.tools[*tool] = tool
		}
		trial.Tool = t.tools[*tool]
	}
	if trial.Counts != nil && len(trial.Counts.Failed) == 0 {
		trial.Counts.Failed = nil
	}
}

// mostErrors is how many bad lines of a file are reported individually.
const mostErrors = 100

func read(r io.Reader, how jsonv2.Options, keep func(*Trial)) ([]Trial, error) {
	type id struct{ run, id string }
	var trials []Trial
	var errs []error
	bad := 0
	seen := map[id]int{}
	err := decodeAll(r, how, func(line int, t *Trial, err error) {
		if err == nil {
			at := id{t.Trial.Run, t.ID}
			if first, ok := seen[at]; ok {
				err = fmt.Errorf("trial %s of run %q is on line %d too", t.ID, t.Trial.Run, first)
			} else {
				seen[at] = line
			}
		}
		if err != nil {
			if bad++; bad <= mostErrors {
				errs = append(errs, &LineError{Line: line, Err: err})
			}
			return
		}
		keep(t)
		trials = append(trials, *t)
	})
	if bad > mostErrors {
		errs = append(errs, fmt.Errorf("and %d more lines", bad-mostErrors))
	}
	return trials, errors.Join(append(errs, err)...)
}

// decode reads one record. A record of another schema is reported as such, even if it has
// unknown fields.
func decode(line []byte, how jsonv2.Options) (Trial, error) {
	var t Trial
	err := jsonv2.Unmarshal(line, &t, how)
	if err == nil && t.Schema == Schema {
		if t.Status == OK && t.Counts == nil {
			return Trial{}, fmt.Errorf("trial %q: it is %s, and has no counts", t.ID, OK)
		}
		if t.Profile != nil {
			if err := t.Profile.check(); err != nil {
				return Trial{}, fmt.Errorf("trial %q: %w", t.ID, err)
			}
		}
		return t, nil
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := jsonv2.Unmarshal(line, &head); err != nil {
		return Trial{}, err
	}
	if head.Schema != Schema {
		return Trial{}, fmt.Errorf("schema %q, want %q", head.Schema, Schema)
	}
	return Trial{}, err
}

// ReadFile is [Read] on a file; errors name it.
func ReadFile(path string) ([]Trial, error) { return onFile(path, Read) }

// ReadFileFigures is [ReadFigures] on a file; errors name it.
func ReadFileFigures(path string) ([]Trial, error) { return onFile(path, ReadFigures) }

func onFile(path string, read func(io.Reader) ([]Trial, error)) ([]Trial, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	trials, err := read(file)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return trials, err
}
