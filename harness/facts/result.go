// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"strings"
)

// Verdict is the outcome of an experiment for its statement.
type Verdict string

// The verdicts.
const (
	Holds        Verdict = "holds"
	Fails        Verdict = "does not hold"
	NotSupported Verdict = "not supported" // the kernel, or this machine, lacks the feature
)

// Check is one comparison that an experiment made.
type Check struct {
	What string `json:"what"`
	Want string `json:"want"`
	Seen string `json:"seen"`
}

// Result is the outcome of an experiment.
type Result struct {
	ID         string  `json:"id"`
	Verdict    Verdict `json:"verdict"`
	Seen       string  `json:"seen"` // in a line
	Checks     []Check `json:"checks,omitempty"`
	DurationNS int64   `json:"duration_ns"`
}

// absentError means that the kernel lacks the feature that a statement is about.
type absentError struct{ error }

func (e absentError) Unwrap() error { return e.error }

// cannotError means that the experiment could not run, because this machine lacks
// something else.
type cannotError string

func (e cannotError) Error() string { return string(e) }

// conclude decides on a statement: it holds if there were checks and all passed. If the
// kernel lacks the feature, the statement is not supported on kernels older than the
// feature, and does not hold on others.
func conclude(s Statement, on Version, checks []Check, err error) Result {
	r := Result{ID: s.ID, Checks: checks}
	var absent absentError
	var cannot cannotError
	switch {
	case errors.As(err, &cannot):
		r.Verdict, r.Seen = NotSupported, cannot.Error()
	case errors.As(err, &absent) && on < s.Since:
		r.Verdict, r.Seen = NotSupported, fmt.Sprintf("before %s: %v", s.Since, absent)
	case errors.As(err, &absent) && s.Since > 0:
		r.Verdict, r.Seen = Fails, fmt.Sprintf("%v, although since %s", absent, s.Since)
	case err != nil:
		r.Verdict, r.Seen = Fails, err.Error()
	case len(checks) == 0:
		r.Verdict, r.Seen = Fails, "nothing was compared"
	default:
		r.Verdict, r.Seen = compare(checks)
		if r.Verdict == Holds && on < s.Since {
			r.Seen += "; there before " + s.Since.String() // backported
		}
	}
	return r
}

// compare is Holds if all checks are as expected. Those that are not come first.
func compare(checks []Check) (Verdict, string) {
	var good, bad []string
	for _, c := range checks {
		if c.Seen == c.Want {
			good = append(good, c.What+": "+c.Seen)
		} else {
			bad = append(bad, fmt.Sprintf("%s: %s, want %s", c.What, c.Seen, c.Want))
		}
	}
	if len(bad) > 0 {
		return Fails, strings.Join(bad, "; ")
	}
	return Holds, strings.Join(good, "; ")
}

// Then is the result of an experiment of two halves: the second decides.
func (r Result) Then(next Result) Result {
	if next.Verdict == Holds {
		next.Seen = r.Seen + "; " + next.Seen
	}
	next.Checks = append(r.Checks[:len(r.Checks):len(r.Checks)], next.Checks...)
	next.DurationNS += r.DurationNS
	return next
}
