// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/vmtest"
)

// bisectCmd finds the kernels at which a figure changed.
type bisectCmd struct {
	Metric string `required:"" help:"Metric: ${metrics}." placeholder:"NAME"`
	From   string `required:"" help:"The first kernel." placeholder:"VERSION"`
	To     string `required:"" help:"The last kernel." placeholder:"VERSION"`
	Step   string `default:"1%" help:"Smallest change that counts as a step. Default: ${default}." placeholder:"PERCENT"`
	kernelFlags

	Plan string   `default:"gate" help:"Plan: a name (${plans}) or a path. Default: ${default}." placeholder:"PLAN"`
	Set  []string `sep:"none" help:"Change an axis of the plan, as for vmtest. Repeatable." placeholder:"KEY=VALUE"`
	Out  string   `default:"out" help:"Directory for the results of runs. Default: ${default}." placeholder:"DIR"`
	qemuFlag
}

// Run measures kernels between both ends, in virtual time, until it is known where
// the figure changed.
func (b *bisectCmd) Run(e *env) error {
	metric, err := verdict.VirtualMetric(b.Metric)
	if err != nil {
		return usageError{fmt.Errorf("--metric %s: %w", b.Metric, err)}
	}
	tolerance, err := verdict.ParsePercent(b.Step)
	if err != nil {
		return usageError{fmt.Errorf("--step %s: %w", b.Step, err)}
	}
	p, err := (&planFlags{Plan: b.Plan, Set: b.Set, Blocks: 1}).load(vmtest.VirtualCPUs, 1)
	if err != nil {
		return err
	}
	host, show, refs, err := e.sure(b.kernelFlags, b.qemuFlag, emulated, 1, b.From+".."+b.To)
	if err != nil {
		return err
	}
	defer show.End()
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), b.From, b.To)}
	}
	out, err := results.New(b.Out, p)
	if err != nil {
		return err
	}
	campaign := &ringtwin.Campaign{Host: host, Plan: p, Clock: record.Virtual, Results: out}
	err = campaign.Bisect(e.ctx, e.stdout, refs, metric, tolerance)
	var failed *ringtwin.FigureError
	switch {
	case !errors.As(err, &failed):
		return err
	case errors.Is(err, ringtwin.ErrNoFigure):
		return usageError{failed.Err}
	case e.ctx.Err() == nil:
		e.explain("", failed.Err)
	}
	return exitError(exitInfra)
}
