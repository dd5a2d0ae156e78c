// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// profilesDir is the directory of the profiles of a run.
const profilesDir = "profiles"

// Conclude writes and shows the reports of a run, with kernels in this order; errs are
// the errors of the run, and more is what else is wrong. The returned error is that of
// writing.
func (d *Dir) Conclude(w io.Writer, order []string, errs []error, more []problem.Problem, details bool) (*report.Results, error) {
	r, err := d.Finish(order, append(ofErrors(errs), more...)...)
	if len(problem.Errors(r.Problems)) == 0 {
		// What no trial tells: such as a machine that could not be ended.
		for _, one := range append(errs, err) {
			if one != nil {
				r.Problems = problem.Sort(append(r.Problems, problem.New(problem.Stopped, "", "%v", one)))
			}
		}
	}
	if shown := report.Terminal(w, r, details); shown != nil {
		return r, errors.Join(err, shown)
	}
	fmt.Fprintf(w, "\nfiles: %s\n", d.Path)
	n, profilesErr := WriteProfiles(filepath.Join(d.Path, profilesDir), d.Trials())
	if n > 0 {
		fmt.Fprintf(w, "profiles: %s\n", filepath.Join(d.Path, profilesDir))
	}
	return r, errors.Join(err, profilesErr)
}

// ofErrors are the errors of a run that say what no status of a trial says.
func ofErrors(errs []error) []problem.Problem {
	var all []problem.Problem
	for _, err := range errs {
		if errors.Is(err, session.ErrDiffer) {
			all = append(all, problem.New(problem.Differ, "", "%v", err))
		}
	}
	return all
}
