// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// bisectCmd finds the kernels at which a figure changed.
type bisectCmd struct {
	Metric string `required:"" help:"The figure: ${metrics}." placeholder:"NAME"`
	From   string `required:"" help:"The first kernel." placeholder:"VERSION"`
	To     string `required:"" help:"The last kernel." placeholder:"VERSION"`
	Step   string `default:"1%" help:"The least change that is a step." placeholder:"PERCENT"`
	kernelChoice

	Plan string   `default:"gate" help:"A plan by name (${plans}) or the path of one." placeholder:"PLAN"`
	Set  []string `sep:"none" help:"Change an axis of the plan, as for vmtest. Repeatable." placeholder:"KEY=VALUE"`
	Out  string   `default:"out" help:"Directory of the runs." placeholder:"DIR"`
	QEMU string   `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
}

// bisecting is a search in progress.
type bisecting struct {
	*bisectCmd
	*env
	metric verdict.Metric
	job    *factsJob
	refs   []kernel.Ref
	names  []string // of the series
	looks  int
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
	p, err := (&planChoice{Plan: b.Plan, Set: b.Set, Blocks: 1}).load()
	if err == nil {
		_, err = p.Configurations(virtualCPUs)
	}
	if err != nil {
		return usageError{err}
	}
	job, refs, err := newMachines(e, progress.New(e.stderr), &vmtestCmd{
		Kernels: []string{b.From + ".." + b.To}, kernelChoice: b.kernelChoice, VM: vmQEMU, Clock: record.Virtual, Accel: string(machine.TCG),
		CPUs: virtualCPUs, Memory: selftestMemoryMiB, QEMU: b.QEMU,
	})
	if err != nil {
		return err
	}
	defer job.close()
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), b.From, b.To)}
	}
	if job.out, err = newOutDir(b.Out, p); err != nil {
		return err
	}
	job.plan, job.console = p, job.out.console
	search := &bisecting{bisectCmd: b, env: e, metric: metric, job: job, refs: refs}
	return search.run(p, tolerance/100)
}

func (s *bisecting) run(p *plan.Plan, tolerance float64) error {
	fmt.Fprintf(s.stdout, "%s, plan %s in virtual time: %d kernels from %s to %s\n\n", s.metric.Name, p.Name, len(s.refs), s.refs[0].Name, s.refs[len(s.refs)-1].Name)
	steps, err := verdict.Steps(len(s.refs), tolerance, s.look)
	var order []string
	for _, ref := range s.refs {
		order = append(order, ref.Name)
	}
	_, finished := s.job.out.finish(order)
	if err := errors.Join(err, finished); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout)
	slices.SortStableFunc(steps, func(a, b verdict.Step) int { return a.Series - b.Series })
	for _, step := range steps {
		fmt.Fprintf(s.stdout, "%s: %s is the first with %s, %s has %s: %+.1f %%\n", s.names[step.Series], s.refs[step.At].Name,
			report.Value(s.metric.Unit, step.Here), s.refs[step.At-1].Name, report.Value(s.metric.Unit, step.Before), 100*step.Change())
	}
	if len(steps) == 0 {
		fmt.Fprintf(s.stdout, "no step of more than %s between %s and %s\n", s.Step, s.refs[0].Name, s.refs[len(s.refs)-1].Name)
	}
	_, err = fmt.Fprintf(s.stdout, "\n%d of %d kernels measured; files: %s\n", s.looks, len(s.refs), s.job.out.path)
	return err
}

// look measures a kernel, and returns the figures of all sides of all configurations.
func (s *bisecting) look(i int) ([]float64, error) {
	ref := s.refs[i]
	k := &kernelJob{vmtestJob: s.job.vmtestJob, ref: ref}
	if err := errors.Join(fleet.Run(s.ctx, fleet.Limits{Jobs: 1}, []fleet.Task{{Fetch: k.fetch, Run: k.run, Threads: 1}})...); err != nil {
		s.job.show.End()
		s.job.explain(err)
		return nil, exitError(exitInfra)
	}
	s.job.show.End()
	var trials []record.Trial
	for _, t := range s.job.out.trials {
		if t.Kernel.Want == ref.Name {
			trials = append(trials, t)
		}
	}
	comparisons := verdict.Compare(trials)
	var names, texts []string
	var figures []float64
	for n := range comparisons {
		c := &comparisons[n]
		if c.Measured() < c.Planned {
			return nil, fmt.Errorf("%s: %d of %d trials measured: %s", ref.Name, c.Measured(), c.Planned, c.Reasons[0].Text)
		}
		for _, side := range c.Sides() {
			figure := c.Figure(side, s.Metric)
			if math.IsNaN(figure) {
				return nil, usageError{fmt.Errorf("plan %s has no %s", c.Plan, s.Metric)}
			}
			name := side.Label
			if c.Scenario != "" {
				name = c.Scenario + " " + name
			}
			names, figures = append(names, name), append(figures, figure)
			texts = append(texts, name+" "+report.Value(s.metric.Unit, figure))
		}
	}
	s.names = names
	s.looks++
	_, err := fmt.Fprintf(s.stdout, "%d. %s (%s): %s\n", s.looks, ref.Name, comparisons[0].Kernel.Release, strings.Join(texts, ", "))
	return figures, err
}
