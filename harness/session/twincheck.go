// SPDX-License-Identifier: MIT

package session

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// checkPrograms is how many programs the check of the twins starts.
const checkPrograms = 30

// ErrDiffer is returned when the twins, attached to the same programs, did not
// deliver the same events, or not those that the programs must cause.
var ErrDiffer = errors.New("the twins do not agree")

// compared is the load that the twins are attached to at once.
func compared(cell record.Cell) record.Cell {
	return record.Cell{Workload: vocab.Execve, Events: checkPrograms, Batch: 1, Producers: 1, PayloadBytes: max(cell.PayloadBytes, vocab.EventBytes)}
}

// checkTwins makes the check a line in the ledger of every trial of this kernel: if the
// twins disagree about the same programs, their comparisons are meaningless.
func checkTwins(got trial.TwinCheck) (record.Invariant, error) {
	err := Differ(got)
	line := record.Invariant{
		Invariant: "the twins deliver the same programs, all of them",
		Holds:     err == nil, Detail: fmt.Sprintf("%d programs, %d twins", len(got.Truth), len(got.Twins)+len(got.Counted)),
	}
	if err != nil {
		line.Detail += ", and they differ"
	}
	return line, err
}

// settle adds the invariants found before the trials, and decides on the status.
func settle(t *record.Trial, line record.Invariant) {
	t.Ledger = append(t.Ledger, line)
	if open := broken(t.Ledger); open != "" {
		t.Status, t.Reason = record.Invalid, "ledger: "+open
	}
}

// Differ returns [ErrDiffer] with the differences where a twin did not
// deliver exactly the truth.
func Differ(c trial.TwinCheck) error {
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(c.Twins)) {
		if diff := difference(c.Truth, c.Twins[kind]); diff != "" {
			errs = append(errs, fmt.Errorf("%w: %s against the programs that ran (-want +got):\n%s", ErrDiffer, kind, diff))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Counted)) {
		if n := c.Counted[kind]; n != len(c.Truth) {
			errs = append(errs, fmt.Errorf("%w: %s counted %d programs, and %d ran", ErrDiffer, kind, n, len(c.Truth)))
		}
	}
	if len(c.Truth) == 0 {
		errs = append(errs, fmt.Errorf("%w: no program ran", ErrDiffer))
	}
	return errors.Join(errs...)
}

// difference lists the events that only one of both has, or is empty if both have the
// same events in the same order.
func difference(want, got []trial.Normal) string {
	if slices.Equal(want, got) {
		return ""
	}
	left := map[trial.Normal]int{}
	for _, e := range want {
		left[e]++
	}
	var extra, lines []string
	for _, e := range got {
		if left[e]--; left[e] < 0 {
			extra = append(extra, fmt.Sprintf("+ %+v", e))
		}
	}
	for _, e := range want {
		if left[e] > 0 {
			left[e]--
			lines = append(lines, fmt.Sprintf("- %+v", e))
		}
	}
	if lines = append(lines, extra...); len(lines) == 0 {
		return "the same events in another order"
	}
	return strings.Join(lines, "\n")
}
