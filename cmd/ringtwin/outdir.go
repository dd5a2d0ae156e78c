// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// outDir is the directory of one run: out/<run>, to which out/latest points.
type outDir struct {
	path string

	mu      sync.Mutex
	results *os.File
	trials  []record.Trial
}

// newOutDir makes the directory and writes the plan into it.
func newOutDir(base string, p *plan.Plan) (*outDir, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	path, err := newRun(base)
	if err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	text, err := p.Text()
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	if err := os.WriteFile(filepath.Join(path, "plan.yaml"), text, 0o644); err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	results, err := os.OpenFile(filepath.Join(path, "results.jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make results: %w", err)
	}
	return &outDir{path: path, results: results}, latest(base, filepath.Base(path))
}

// newRun makes a directory named after the time; two runs of one second differ by
// a number.
func newRun(base string) (string, error) {
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

// latest lets out/latest point to the run, in one step.
func latest(base, run string) error {
	temp := filepath.Join(base, ".latest-"+run)
	if err := os.Symlink(run, temp); err != nil {
		return fmt.Errorf("link latest run: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(base, "latest")); err != nil {
		return errors.Join(fmt.Errorf("link latest run: %w", err), os.Remove(temp))
	}
	return nil
}

// add stores a trial at once: what was measured survives whatever comes. It may
// be called from several goroutines.
func (o *outDir) add(t *record.Trial) error {
	t.Trial.Run = filepath.Base(o.path)
	if t.Machine.Clock == record.Virtual {
		t.Trial.Run = record.Virtual // any other run of it is this one
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trials = append(o.trials, *t)
	whole, err := o.results.Seek(0, io.SeekEnd)
	if err == nil {
		err = record.Write(o.results, t)
	}
	if err != nil {
		// A full disk leaves half a line, which the next one would be glued to.
		return errors.Join(fmt.Errorf("store result: %w", err), o.results.Truncate(whole))
	}
	return nil
}

// console is the path of a kernel's log.
func (o *outDir) console(kernel string) (string, error) {
	dir := filepath.Join(o.path, "kernels", fileName(kernel))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make log directory: %w", err)
	}
	return filepath.Abs(filepath.Join(dir, "console.log"))
}

// fileName is the name of a kernel without what separates directories:
// oci:ghcr.io/cilium/ci-kernels:6.6.
func fileName(kernel string) string { return strings.NewReplacer("/", "_", ":", "_").Replace(kernel) }

// finish writes the reports, kernels in this order, and returns what they show.
// Every file is tried.
func (o *outDir) finish(order []string) ([]verdict.Comparison, error) {
	slices.SortStableFunc(o.trials, func(a, b record.Trial) int {
		return slices.Index(order, a.Kernel.Want) - slices.Index(order, b.Kernel.Want)
	})
	comparisons := verdict.Compare(o.trials)
	write := func(name string, content func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(o.path, name))
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		if err := errors.Join(content(file), file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	}
	return comparisons, errors.Join(
		o.results.Close(),
		write("report.md", func(w io.Writer) error { return report.Markdown(w, comparisons) }),
		write("report.html", func(w io.Writer) error { return report.HTML(w, comparisons) }),
		write("bench.txt", func(w io.Writer) error { return report.Bench(w, o.trials) }),
		write("junit.xml", func(w io.Writer) error { return report.JUnit(w, o.trials) }),
	)
}
