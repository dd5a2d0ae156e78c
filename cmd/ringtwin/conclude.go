// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/session"
)

// conclude writes and shows the reports of a run, kernels in this order, and
// decides on the exit code. What went wrong is explained.
func (o *outDir) conclude(e *env, order []string, errs []error, details bool, explain func(error)) error {
	comparisons, err := o.finish(order)
	if shown := report.Terminal(e.stdout, comparisons, details); shown != nil {
		return errors.Join(err, shown)
	}
	fmt.Fprintf(e.stdout, "\nfiles: %s\n", o.path)
	code := exitOK
	for _, err := range append(errs, err) {
		if err == nil {
			continue
		}
		if errors.Is(err, session.ErrDiffer) {
			code = exitFailed
		} else if code == exitOK {
			code = exitInfra
		}
		explain(err)
	}
	for i := range comparisons {
		switch c := &comparisons[i]; {
		case c.Statuses[record.Invalid] > 0:
			code = exitFailed
		case c.Measured() < c.Planned && code == exitOK:
			code = exitInfra
		}
	}
	if len(comparisons) == 0 && code == exitOK {
		code = exitInfra // nothing measured is never green
	}
	if code == exitOK {
		return nil
	}
	return exitError(code)
}
