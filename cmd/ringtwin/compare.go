// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// compareCmd compares what was measured before.
type compareCmd struct {
	Files []string `arg:"" name:"results" help:"Two results.jsonl files, A and B; or with --a and --b any number, from which the filters select." type:"existingfile"`
	A     string   `name:"a" help:"What A is: KEY=VALUE, several with commas, as transport=perf,kernel=6.1. Keys: transport, policy, flush, side, kernel, release, plan, scenario, setup, workload, attach, events, payload, producers, placement, batch, rate, ring, equal, stall, delay, fault, file, run, accel, clock, backend, cpus, version." placeholder:"FILTER"`
	B     string   `name:"b" help:"What B is." placeholder:"FILTER"`

	Gate     []string `help:"Fail if B is worse than A by more: 'instructions_per_event<=0.5%', 'loss<=0'. Repeatable. Metrics: ${metrics}." placeholder:"METRIC<=LIMIT%" sep:"none"`
	GateWall bool     `help:"Let gates decide on wall-clock times of emulated machines too."`
	JSON     bool     `name:"json" help:"Write JSON." xor:"format"`
	Markdown bool     `help:"Write Markdown, as for the summary of a CI job." xor:"format"`
}

// Run reads the files, compares what the filters select, and lets the gates decide.
func (c *compareCmd) Run(e *env) error {
	filters, gates, err := c.parse()
	if err != nil {
		return usageError{err}
	}
	sides, bad, err := c.read(filters)
	if err != nil {
		return err
	}
	sets := verdict.CompareSets(filters[0], filters[1], sides[0], sides[1])
	if c.A == "" {
		sets.A, sets.B = c.Files[0], c.Files[1]
	}
	var results []verdict.GateResult
	failed, missing := false, bad != nil
	for _, g := range gates {
		some := g.Check(sets.Comparisons, c.GateWall)
		for i := range some {
			failed = failed || some[i].Failed
			missing = missing || some[i].Refused != ""
		}
		if len(some) == 0 {
			missing = true
			bad = errors.Join(bad, fmt.Errorf("gate %s: nothing was measured that it could decide on", g))
		}
		results = append(results, some...)
	}
	write := report.SetsTerminal
	switch {
	case c.JSON:
		write = report.SetsJSON
	case c.Markdown:
		write = report.SetsMarkdown
	}
	if err := write(e.stdout, &sets, results); err != nil {
		return err
	}
	if len(sets.Comparisons) == 0 {
		bad = errors.Join(bad, errors.New("nothing of A and B could be compared"))
	}
	for _, line := range sets.Refused {
		bad = errors.Join(bad, errors.New(line))
	}
	if n := sets.Unmeasured[0] + sets.Unmeasured[1]; n > 0 {
		bad = errors.Join(bad, fmt.Errorf("%d trials were not measured", n))
	}
	if n := len(sets.Alone); n > 0 && len(gates) > 0 {
		bad = errors.Join(bad, fmt.Errorf("%d configurations have no opposite: the gates saw nothing of them", n))
	}
	if bad != nil {
		fmt.Fprintf(e.stderr, "ringtwin: %v\n", bad)
	}
	switch {
	case failed:
		return exitError(exitFailed)
	case missing || bad != nil:
		return exitError(exitInfra)
	}
	return nil
}

// parse refuses a command line that means nothing.
func (c *compareCmd) parse() (filters [2]verdict.Filter, gates []verdict.Gate, err error) {
	var errs []error
	for i, text := range []string{c.A, c.B} {
		filters[i], err = verdict.ParseFilter(text)
		errs = append(errs, err)
	}
	for _, text := range c.Gate {
		g, err := verdict.ParseGate(text)
		gates, errs = append(gates, g), append(errs, err)
	}
	if c.A == "" && c.B == "" && len(c.Files) != 2 {
		errs = append(errs, fmt.Errorf("%d files: want two, or --a and --b to select from them", len(c.Files)))
	}
	if (c.A == "") != (c.B == "") {
		errs = append(errs, errors.New("want both of --a and --b, or none"))
	}
	return filters, gates, errors.Join(errs...)
}

// read returns the inputs of A and of B. Lines that are no records are in bad,
// and the rest is used.
func (c *compareCmd) read(filters [2]verdict.Filter) (sides [2][]verdict.Input, bad, err error) {
	var all []verdict.Input
	var merger results.Merger
	for i, file := range c.Files {
		if c.A == "" {
			merger = results.Merger{} // A and B may be the same file
		}
		trials, wrong := merger.Read(file, record.ReadFileFigures)
		if errors.As(wrong, new(*os.PathError)) {
			return sides, nil, wrong
		}
		bad = errors.Join(bad, wrong)
		for j := range trials {
			in := verdict.Input{File: file, Trial: &trials[j]}
			if c.A == "" {
				sides[i] = append(sides[i], in)
			} else {
				all = append(all, in)
			}
		}
	}
	if c.A == "" {
		return sides, bad, nil
	}
	for i := range filters {
		if sides[i] = filters[i].Of(all); len(sides[i]) == 0 {
			bad = errors.Join(bad, fmt.Errorf("no trial has %s", filters[i].Text))
		}
	}
	return sides, bad, nil
}

// metricNames are for the help.
func metricNames() string { return strings.Join(verdict.Slugs(), ", ") }
