// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Merger reads several files as one: a trial that is in several counts once.
type Merger struct {
	seen map[[2]string]string // run and id, to the file
}

// Read returns the trials of a file that are in no file before. It returns the readable
// trials even with an error.
func (m *Merger) Read(file string, read func(string) ([]record.Trial, error)) ([]record.Trial, error) {
	all, err := read(file)
	if m.seen == nil {
		m.seen = map[[2]string]string{}
	}
	twice := 0
	trials := slices.DeleteFunc(all, func(t record.Trial) bool {
		at := [2]string{t.Trial.Run, t.ID}
		if first, ok := m.seen[at]; ok && first != file {
			twice++
			return true
		}
		m.seen[at] = file
		return false
	})
	if twice > 0 {
		err = errors.Join(err, fmt.Errorf("%s: %d trials are in another file too, and are used once", file, twice))
	}
	return trials, err
}

// Read reads several files as one. It returns the readable trials even with an error.
func Read(files []string) (trials []record.Trial, err error) {
	var merger Merger
	for _, file := range files {
		some, bad := merger.Read(file, record.ReadFile)
		trials, err = append(trials, some...), errors.Join(err, bad)
	}
	return trials, err
}

// Expect returns an error unless there are trials of the kernel.
func Expect(comparisons []verdict.Comparison, want string) error {
	if slices.ContainsFunc(comparisons, func(c verdict.Comparison) bool { return c.Kernel.Want == want }) {
		return nil
	}
	return fmt.Errorf("kernel %s: missing", want)
}

// Complete returns an error for each kernel and plan that lack trials.
func Complete(comparisons []verdict.Comparison) error {
	type job struct{ kernel, plan string }
	type count struct{ measured, planned int }
	var order []job
	counts := map[job]*count{}
	for i := range comparisons {
		c := &comparisons[i]
		at := job{c.Kernel.Want, c.Plan}
		if counts[at] == nil {
			order, counts[at] = append(order, at), &count{}
		}
		counts[at].measured += c.Measured()
		counts[at].planned += c.Planned
	}
	var errs []error
	for _, at := range order {
		if n := counts[at]; n.measured < n.planned {
			errs = append(errs, fmt.Errorf("kernel %s, plan %s: %d of %d trials measured", at.kernel, at.plan, n.measured, n.planned))
		}
	}
	return errors.Join(errs...)
}
