// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/session"
)

// Outcome is the overall result of a run.
type Outcome int

// The outcomes, better ones first.
const (
	// Whole: all was measured as planned.
	Whole Outcome = iota
	// Lacking: a planned trial was not measured, or none was.
	Lacking
	// Broken: the twins differ, or a ledger does not balance.
	Broken
)

// Conclude writes and shows the reports of a run, with kernels in this order; errs are
// the errors of the run. The returned error is that of writing.
func (d *Dir) Conclude(w io.Writer, order []string, errs []error, details bool) (Outcome, error) {
	comparisons, err := d.Finish(order)
	if shown := report.Terminal(w, comparisons, details); shown != nil {
		return Lacking, errors.Join(err, shown)
	}
	fmt.Fprintf(w, "\nfiles: %s\n", d.Path)
	outcome := Whole
	if all := errors.Join(append(errs, err)...); errors.Is(all, session.ErrDiffer) {
		outcome = Broken
	} else if all != nil || len(comparisons) == 0 { // a run without measurements never passes
		outcome = Lacking
	}
	for i := range comparisons {
		switch c := &comparisons[i]; {
		case c.Statuses[record.Invalid] > 0:
			outcome = Broken
		case c.Measured() < c.Planned:
			outcome = max(outcome, Lacking)
		}
	}
	return outcome, err
}
