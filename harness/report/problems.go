// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// unmeasuredTrials are the trials of a kernel and a plan that ended in one way.
type unmeasuredTrials struct {
	status  record.Status
	trials  int
	reasons []string
}

// jobOf is all comparisons of a kernel and a plan.
type jobOf struct {
	kernel, plan      string
	measured, planned int
	ended             []*unmeasuredTrials
}

// problems are what is wrong with the trials: a line for each kernel, plan and status.
func problems(comparisons []verdict.Comparison) []problem.Problem {
	var all []problem.Problem
	for _, j := range jobsOf(comparisons) {
		recorded := j.measured
		for _, e := range j.ended {
			recorded += e.trials
			text := strings.Join(e.reasons[:1], "")
			if n := len(e.reasons) - 1; n > 0 {
				text += fmt.Sprintf(" (and %s)", plural(n, "other reason"))
			}
			all = append(all, problem.New(problem.Kind(e.status), j.kernel, "%s of plan %s: %s", ofTrials(e.trials, j.planned), j.plan, text))
		}
		if n := j.planned - recorded; n > 0 {
			all = append(all, problem.New(problem.Short, j.kernel, "%s of plan %s have no record: the run ended before", ofTrials(n, j.planned), j.plan))
		}
	}
	return all
}

func ofTrials(n, of int) string { return fmt.Sprintf("%d of %s", n, plural(of, "trial")) }

// jobsOf adds up the comparisons of each kernel and plan, in their order.
func jobsOf(comparisons []verdict.Comparison) []*jobOf {
	var all []*jobOf
	byName := map[[2]string]*jobOf{}
	for i := range comparisons {
		c := &comparisons[i]
		at := [2]string{c.Kernel.Want, c.Plan}
		j := byName[at]
		if j == nil {
			j = &jobOf{kernel: c.Kernel.Want, plan: c.Plan}
			byName[at], all = j, append(all, j)
		}
		j.measured += c.Measured()
		j.planned += c.Planned
		for _, reason := range c.Reasons {
			j.add(&reason)
		}
	}
	return all
}

func (j *jobOf) add(reason *verdict.Reason) {
	var of *unmeasuredTrials
	for _, e := range j.ended {
		if e.status == reason.Status {
			of = e
		}
	}
	if of == nil {
		of = &unmeasuredTrials{status: reason.Status}
		j.ended = append(j.ended, of)
	}
	of.trials += len(reason.Trials)
	line, _, _ := strings.Cut(strings.TrimSpace(clean(reason.Text)), "\n")
	for _, have := range of.reasons {
		if have == line {
			return
		}
	}
	of.reasons = append(of.reasons, line)
}
