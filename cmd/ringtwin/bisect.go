// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// bisectCmd finds the kernels at which a figure changed.
type bisectCmd struct {
	Metric string `required:"" help:"The figure: ${metrics}." placeholder:"NAME"`
	From   string `required:"" help:"The first kernel." placeholder:"VERSION"`
	To     string `required:"" help:"The last kernel." placeholder:"VERSION"`
	Step   string `default:"1%" help:"The least change that is a step. Default: ${default}." placeholder:"PERCENT"`
	kernelFlags

	Plan string   `default:"gate" help:"A plan by name (${plans}) or the path of one. Default: ${default}." placeholder:"PLAN"`
	Set  []string `sep:"none" help:"Change an axis of the plan, as for vmtest. Repeatable." placeholder:"KEY=VALUE"`
	Out  string   `default:"out" help:"Directory of the runs. Default: ${default}." placeholder:"DIR"`
	qemuFlag
}

// bisecting is a search in progress.
type bisecting struct {
	*bisectCmd
	*env
	metric   verdict.Metric
	campaign *ringtwin.Campaign
	show     *progress.Table
	refs     []kernel.Ref
	sides    []ringtwin.Figure // of the last kernel
	looks    int
}

// Run measures kernels between both ends, in virtual time, until it is known where
// the figure changed.
func (b *bisectCmd) Run(e *env) error {
	metric, ok := verdict.MetricNamed(b.Metric)
	if !ok {
		return usageError{fmt.Errorf("--metric %s: want one of %s", b.Metric, metricNames())}
	}
	if metric.Only == record.Wall {
		return usageError{fmt.Errorf("--metric %s: a time of the host's, which tells kernels in different machines not apart; in virtual time there are instructions_per_event and consumer_instructions_per_event", b.Metric)}
	}
	number, ok := strings.CutSuffix(b.Step, "%")
	tolerance, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(tolerance >= 0 && tolerance <= 1000) {
		return usageError{fmt.Errorf("--step %s: want a percentage, as 1%%", b.Step)}
	}
	p, err := (&planFlags{Plan: b.Plan, Set: b.Set, Blocks: 1}).load()
	if err == nil {
		_, err = p.Configurations(virtualCPUs)
	}
	if err != nil {
		return usageError{err}
	}
	host, show, err := e.host(b.kernelFlags, b.qemuFlag, string(machine.TCG), 1)
	if err != nil {
		return err
	}
	defer show.End()
	refs, err := host.Resolve(e.ctx, b.From+".."+b.To)
	show.End()
	if err != nil {
		return mistake(err)
	}
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), b.From, b.To)}
	}
	out, err := results.New(b.Out, p)
	if err != nil {
		return err
	}
	search := &bisecting{
		bisectCmd: b, env: e, metric: metric, show: show, refs: refs,
		campaign: &ringtwin.Campaign{Host: host, Plan: p, Clock: record.Virtual, Results: out},
	}
	return search.run(tolerance / 100)
}

func (s *bisecting) run(tolerance float64) error {
	last := s.refs[len(s.refs)-1].Name
	fmt.Fprintf(s.stdout, "%s, plan %s in virtual time: %d kernels from %s to %s\n\n", s.metric.Name, s.campaign.Plan.Name, len(s.refs), s.refs[0].Name, last)
	steps, err := verdict.Steps(len(s.refs), tolerance, s.look)
	var order []string
	for _, ref := range s.refs {
		order = append(order, ref.Name)
	}
	_, finished := s.campaign.Results.Finish(order)
	if err := errors.Join(err, finished); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout)
	slices.SortStableFunc(steps, func(a, b verdict.Step) int { return a.Series - b.Series })
	for _, step := range steps {
		fmt.Fprintf(s.stdout, "%s: %s is the first with %s, %s has %s: %+.1f %%\n", s.sides[step.Series].Side, s.refs[step.At].Name,
			report.Value(s.metric.Unit, step.Here), s.refs[step.At-1].Name, report.Value(s.metric.Unit, step.Before), 100*step.Change())
	}
	if len(steps) == 0 {
		fmt.Fprintf(s.stdout, "no step of more than %s between %s and %s\n", s.Step, s.refs[0].Name, last)
	}
	_, err = fmt.Fprintf(s.stdout, "\n%d of %d kernels measured; files: %s\n", s.looks, len(s.refs), s.campaign.Results.Path)
	return err
}

// look measures a kernel, and returns the figures of all sides of all configurations.
func (s *bisecting) look(i int) ([]float64, error) {
	ref := s.refs[i]
	release, sides, err := s.campaign.Figures(s.ctx, ref, s.metric)
	s.show.End()
	switch {
	case errors.Is(err, ringtwin.ErrNoFigure):
		return nil, usageError{err}
	case errors.Is(err, ringtwin.ErrUnmeasured):
		return nil, err
	case err != nil:
		if s.ctx.Err() == nil {
			s.explain(err)
		}
		return nil, exitError(exitInfra)
	}
	s.sides = sides
	var figures []float64
	var texts []string
	for _, side := range sides {
		figures = append(figures, side.Value)
		texts = append(texts, side.Side+" "+report.Value(s.metric.Unit, side.Value))
	}
	s.looks++
	_, err = fmt.Fprintf(s.stdout, "%d. %s (%s): %s\n", s.looks, ref.Name, release, strings.Join(texts, ", "))
	return figures, err
}
