// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/junit"
)

// JUnit writes a suite a kernel and a case a trial. An unbalanced ledger is a failure;
// any other status of a trial that was not measured is an error. What is wrong, and is not
// the status of a trial, is a case of its own, and first: an expected kernel without
// results has no other.
func JUnit(w io.Writer, r *Results) error {
	var suites junit.Suites
	for _, p := range r.Problems {
		if !p.Kind.IsError() || slices.Contains(record.Statuses(), record.Status(p.Kind)) {
			continue
		}
		suites.Suite(suiteName(p.Kernel)).Add(junit.Case{
			Name: string(p.Kind), ClassName: "ringtwin", Seconds: "0", Error: junit.NewReason(string(p.Kind), p.Text),
		})
	}
	for i := range r.Trials {
		t := &r.Trials[i]
		suites.Suite(suiteName(t.Kernel.Want)).Add(junitCase(t))
	}
	return suites.Write(w)
}

func suiteName(kernel string) string {
	if kernel == "" {
		return "ringtwin"
	}
	return "ringtwin " + kernel
}

func junitCase(t *record.Trial) junit.Case {
	c := junit.Case{Name: t.ID, ClassName: "ringtwin." + string(t.Cell.Transport), Seconds: "0"}
	if t.Rate != nil {
		c.Seconds = fmt.Sprintf("%.3f", float64(t.Rate.DurationNS)/1e9)
	}
	switch reason := junit.NewReason(string(t.Status), t.Reason); t.Status {
	case record.OK:
	case record.Invalid:
		c.Failure = reason
	default:
		c.Error = reason
	}
	return c
}
