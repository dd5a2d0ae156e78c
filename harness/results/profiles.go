// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
)

// WriteFunctions writes where the instructions of an event go, by kernel, transport and
// function.
func WriteFunctions(path string, trials []record.Trial) error {
	all, err := report.FunctionCostsOf(trials)
	return writeLines(path, all, err, ErrNoProfiles)
}

// ErrNotContended is returned where no trial says what producers share.
var ErrNotContended = errors.New("there are no counts and no rates of several producers: measure plan contention with vmtest --profile --clock wall, or with run")

// WriteContention writes what producers share, by kernel, transport and number.
func WriteContention(path string, trials []record.Trial) error {
	all, err := report.ContentionCostsOf(trials)
	return writeLines(path, all, err, ErrNotContended)
}

// writeLines writes a line of JSON for each, unless there was an error, or there are none.
func writeLines[T any](path string, all []T, err, none error) error {
	if err == nil && len(all) == 0 {
		err = none
	}
	if err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error { return report.WriteLines(w, all) })
}

// WriteProfiles writes the profile of each side into a directory, as pprof reads it and as
// folded stacks, and returns how many sides there are.
func WriteProfiles(dir string, trials []record.Trial) (int, error) {
	sides := profile.Sides(trials)
	scenarios := map[string]bool{}
	for i := range sides {
		scenarios[sides[i].Scenario] = true
	}
	for i := range sides {
		s := &sides[i]
		name := FileName(s.Cell.Configuration())
		if len(scenarios) > 1 {
			name += "-" + FileName(s.Scenario)
		}
		comment := fmt.Sprintf("%s, kernel %s", s.Name(), s.Release)
		if err := WriteFiles(filepath.Join(dir, FileName(s.Kernel)), map[string]func(io.Writer) error{
			name + ".pb.gz":  func(w io.Writer) error { return profile.WritePprof(w, s.Profile, comment) },
			name + ".folded": func(w io.Writer) error { return profile.WriteFolded(w, s.Profile) },
		}); err != nil {
			return 0, err
		}
	}
	return len(sides), nil
}
