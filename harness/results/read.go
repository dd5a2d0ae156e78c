// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/problem"
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

// Read reads several files as one; a directory is that of a run. It returns the readable
// trials, and what is wrong with the files.
func Read(files []string) (trials []record.Trial, wrong []problem.Problem) {
	var merger Merger
	for _, file := range files {
		some, err := merger.Read(resultsOf(file), record.ReadFile)
		trials = append(trials, some...)
		for _, line := range lines(err) {
			wrong = append(wrong, problem.New(problem.Unread, "", "%s", line))
		}
	}
	return trials, wrong
}

// resultsOf is the path of the results in the directory of a run.
func resultsOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "results.jsonl")
	}
	return path
}

// lines are those of an error, and there are none of none.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(err.Error()), "\n")
}

// Expected are kernels that should be in results.
type Expected struct {
	// Names are names and patterns of kernels.
	Names []string
	// Means reports whether a name or pattern means a kernel that was measured.
	Means func(name string, k record.Kernel) bool
}

// Check returns what is expected and missing, and what is there and was not expected.
func (e *Expected) Check(trials []record.Trial) []problem.Problem {
	var kernels []record.Kernel
	for i := range trials {
		k := trials[i].Kernel
		if !slices.ContainsFunc(kernels, func(have record.Kernel) bool { return have.Want == k.Want }) {
			kernels = append(kernels, k)
		}
	}
	return e.check(kernels)
}

func (e *Expected) check(kernels []record.Kernel) []problem.Problem {
	if len(e.Names) == 0 {
		return []problem.Problem{problem.New(problem.Missing, "", "the list of expected kernels is empty: whatever made it found none")}
	}
	var all []problem.Problem
	for _, name := range e.Names {
		if !slices.ContainsFunc(kernels, func(k record.Kernel) bool { return e.Means(name, k) }) {
			all = append(all, problem.New(problem.Missing, name, "expected, and there are no results of it"))
		}
	}
	for _, k := range kernels {
		if !slices.ContainsFunc(e.Names, func(name string) bool { return e.Means(name, k) }) {
			all = append(all, problem.New(problem.Unexpected, k.Want, "was measured, and is not among the expected kernels"))
		}
	}
	return all
}
