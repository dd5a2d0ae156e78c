// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// ErrNoFigure is returned for a metric that the plan does not measure.
var ErrNoFigure = errors.New("no such figure")

// ErrUnmeasured is returned for a kernel that lacks trials.
var ErrUnmeasured = errors.New("not measured in full")

// Figure is what one side of a configuration costs on a kernel.
type Figure struct {
	Side  string // the scenario, if it has a name, and the side's label
	Value float64
}

// Figures measures the campaign's plan on one kernel and returns the metric of each side of
// each configuration, in the order of the plan.
func (c *Campaign) Figures(ctx context.Context, ref kernel.Ref, metric verdict.Metric) (kernelRelease string, figures []Figure, err error) {
	errs, err := c.Run(ctx, []kernel.Ref{ref})
	if err := errors.Join(append(errs, err)...); err != nil {
		return "", nil, err
	}
	var trials []record.Trial
	for _, t := range c.Results.Trials() {
		if t.Kernel.Want == ref.Name {
			trials = append(trials, t)
		}
	}
	comparisons := verdict.Compare(trials)
	for n := range comparisons {
		of := &comparisons[n]
		if of.Measured() < of.Planned {
			return "", nil, fmt.Errorf("%s: %w: %d of %d trials measured: %s", ref.Name, ErrUnmeasured, of.Measured(), of.Planned, of.Reasons[0].Text)
		}
		for _, side := range of.Sides() {
			value := of.Figure(side, metric.Slug)
			if math.IsNaN(value) {
				return "", nil, fmt.Errorf("plan %s has no %s: %w", of.Plan, metric.Slug, ErrNoFigure)
			}
			name := side.Label
			if of.Scenario != "" {
				name = of.Scenario + " " + name
			}
			figures = append(figures, Figure{name, value})
		}
	}
	if len(comparisons) > 0 {
		kernelRelease = comparisons[0].Kernel.Release
	}
	return kernelRelease, figures, nil
}
