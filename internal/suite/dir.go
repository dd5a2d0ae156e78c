// SPDX-License-Identifier: MIT

package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ringtwin/ringtwin/harness/results"
)

const (
	workFile  = "work.json"
	unitsFile = "units.jsonl"
)

// Dir is the directory of a run. It is safe for concurrent use.
type Dir struct {
	Path string

	mu    sync.Mutex
	units *os.File
}

// NewDir makes the directory of a run, out/test/<run>, with the work, and points
// out/test/latest to it.
func NewDir(out string, w *Work) (*Dir, error) {
	base := filepath.Join(out, "test")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	path, err := results.NewRun(base)
	if err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(path, workFile), append(text, '\n'), 0o644); err != nil {
		return nil, fmt.Errorf("store work: %w", err)
	}
	units, err := os.OpenFile(filepath.Join(path, unitsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make results: %w", err)
	}
	return &Dir{Path: path, units: units}, results.Latest(base, filepath.Base(path))
}

// Add stores a unit, as soon as it is known.
func (d *Dir) Add(u *Unit) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.units.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("store results: %w", err)
	}
	return nil
}

// Close ends the run.
func (d *Dir) Close() error { return d.units.Close() }

// Is reports whether a directory is that of a run of tests.
func Is(dir string) bool {
	w, err := readWork(dir)
	return err == nil && w.Schema == Schema
}

func readWork(dir string) (*Work, error) {
	text, err := os.ReadFile(filepath.Join(dir, workFile))
	if err != nil {
		return nil, err
	}
	w := &Work{}
	return w, json.Unmarshal(text, w)
}

// maxLine bounds a unit, in bytes.
const maxLine = 1 << 30

// read reads a run. Half a line at the end, of a run that was killed, is left out.
func read(dir string) (*Results, error) {
	w, err := readWork(dir)
	if err == nil {
		err = w.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, workFile), err)
	}
	r := NewResults(w)
	file, err := os.Open(filepath.Join(dir, unitsFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	var bad error
	for n := 1; lines.Scan(); n++ {
		if bad != nil {
			return nil, bad
		}
		u := &Unit{}
		if err := json.Unmarshal(lines.Bytes(), u); err != nil {
			bad = fmt.Errorf("%s:%d: %w", file.Name(), n, err)
			continue
		}
		r.Units[u.Key] = u
	}
	return r, lines.Err()
}
