// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// ErrNoFigure is returned for a metric that the plan does not measure.
var ErrNoFigure = errors.New("no such figure")

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
			return "", nil, fmt.Errorf("%s: %d of %d trials measured: %s", ref.Name, of.Measured(), of.Planned, of.Reasons[0].Text)
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

// FigureError is a kernel whose figures could not be measured.
type FigureError struct{ Err error }

func (e *FigureError) Error() string { return e.Err.Error() }
func (e *FigureError) Unwrap() error { return e.Err }

// Bisect prints the kernels at which the metric of a side changed by more than the
// tolerance, a ratio, and every kernel that was measured to find them. The error is a
// [*FigureError] if one could not be measured.
func (c *Campaign) Bisect(ctx context.Context, w io.Writer, refs []kernel.Ref, metric verdict.Metric, tolerance float64) error {
	first, last := refs[0].Name, refs[len(refs)-1].Name
	fmt.Fprintf(w, "%s, plan %s in virtual time: %d kernels from %s to %s\n\n", metric.Name, c.Plan.Name, len(refs), first, last)
	var sides []Figure
	looks := 0
	steps, err := verdict.Steps(len(refs), tolerance, func(i int) ([]float64, error) {
		release, some, err := c.Figures(ctx, refs[i], metric)
		if err != nil {
			return nil, &FigureError{err}
		}
		looks++
		sides = some
		values, texts := make([]float64, len(some)), make([]string, len(some))
		for n, side := range some {
			values[n], texts[n] = side.Value, side.Side+" "+report.Value(metric.Unit, side.Value)
		}
		_, err = fmt.Fprintf(w, "%d. %s (%s): %s\n", looks, refs[i].Name, release, strings.Join(texts, ", "))
		return values, err
	})
	_, finished := c.Results.Finish(kernel.Names(refs))
	if err := errors.Join(err, finished); err != nil {
		return err
	}
	fmt.Fprintln(w)
	slices.SortStableFunc(steps, func(a, b verdict.Step) int { return a.Series - b.Series })
	for _, step := range steps {
		fmt.Fprintf(w, "%s: %s is the first with %s, %s has %s: %+.1f %%\n", sides[step.Series].Side, refs[step.At].Name,
			report.Value(metric.Unit, step.Here), refs[step.At-1].Name, report.Value(metric.Unit, step.Before), 100*step.Change())
	}
	if len(steps) == 0 {
		fmt.Fprintf(w, "no step of more than %s between %s and %s\n", strconv.FormatFloat(100*tolerance, 'g', -1, 64)+"%", first, last)
	}
	_, err = fmt.Fprintf(w, "\n%d of %d kernels measured; files: %s\n", looks, len(refs), c.Results.Path)
	return err
}
