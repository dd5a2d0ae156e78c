// SPDX-License-Identifier: MIT

// Package results stores results. The directory of a run stores every trial as soon as it
// is known, and the reports at the end. A [Merger] reads files of several runs as one.
package results

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Dir is the directory of one run: out/<run>, to which out/latest points. It is safe for concurrent use.
type Dir struct {
	Path string

	mu      sync.Mutex
	results *os.File
	trials  []record.Trial
}

// New makes the directory of a run in base, and writes the plan into it, if it is known.
func New(base string, p *plan.Plan) (*Dir, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	path, err := NewRun(base)
	if err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	if p != nil {
		text, err := p.Text()
		if err == nil {
			err = os.WriteFile(filepath.Join(path, "plan.yaml"), text, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("write plan: %w", err)
		}
	}
	results, err := os.OpenFile(filepath.Join(path, "results.jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make results: %w", err)
	}
	return &Dir{Path: path, results: results}, Latest(base, filepath.Base(path))
}

// NewRun makes a directory named after the time; runs of the same second get a number.
func NewRun(base string) (string, error) {
	stamp := time.Now().Format("20060102-150405")
	for n := 1; ; n++ {
		path := filepath.Join(base, stamp)
		if n > 1 {
			path = fmt.Sprintf("%s-%d", path, n)
		}
		if err := os.Mkdir(path, 0o755); !errors.Is(err, os.ErrExist) {
			return path, err
		}
	}
}

// Latest points out/latest to the run, atomically.
func Latest(base, run string) error {
	temp := filepath.Join(base, ".latest-"+run)
	if err := os.Symlink(run, temp); err != nil {
		return fmt.Errorf("link latest run: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(base, "latest")); err != nil {
		return errors.Join(fmt.Errorf("link latest run: %w", err), os.Remove(temp))
	}
	return nil
}

// Add stores a trial at once, so that results survive a later crash.
func (d *Dir) Add(t *record.Trial) error {
	t.Trial.Run = filepath.Base(d.Path)
	if t.Machine.Clock == record.Virtual {
		t.Trial.Run = record.Virtual // another run of the trial has the same result
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trials = append(d.trials, *t)
	whole, err := d.results.Seek(0, io.SeekEnd)
	if err == nil {
		err = record.Write(d.results, t)
	}
	if err != nil {
		// A full disk leaves a partial line, to which the next would be appended.
		return errors.Join(fmt.Errorf("store result: %w", err), d.results.Truncate(whole))
	}
	return nil
}

// Console is the path of a kernel's log.
func (d *Dir) Console(kernel string) (string, error) {
	dir := filepath.Join(d.Path, "kernels", FileName(kernel))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make log directory: %w", err)
	}
	return filepath.Abs(filepath.Join(dir, "console.log"))
}

// Finish writes the reports, with kernels in this order and with what else is wrong, and
// returns what they show. An error does not stop the other files.
func (d *Dir) Finish(order []string, more ...problem.Problem) (*report.Results, error) {
	slices.SortStableFunc(d.trials, func(a, b record.Trial) int {
		return slices.Index(order, a.Kernel.Want) - slices.Index(order, b.Kernel.Want)
	})
	r := report.Of(d.trials, more...)
	errs := []error{d.results.Close()}
	for _, f := range report.Formats() {
		if f.File != "" {
			errs = append(errs, writeFile(filepath.Join(d.Path, f.File), func(w io.Writer) error { return f.Write(w, r) }))
		}
	}
	return r, errors.Join(errs...)
}

// Trials are those that were stored.
func (d *Dir) Trials() []record.Trial {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.trials)
}
