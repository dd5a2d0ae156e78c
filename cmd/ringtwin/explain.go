// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/results"
)

// explainCmd tells two profiles apart by function.
type explainCmd struct {
	A       string   `arg:"" help:"Profile A: TRANSPORT@KERNEL, as in perf@6.1, or CONFIGURATION@KERNEL, as in perf/timer@6.1; with SCENARIO:, FILE: or both before it, where several have that name."`
	B       string   `arg:"" help:"Profile B, in the same format."`
	Results []string `default:"out/latest" help:"Results that were measured with --profile: results.jsonl files, or directories of runs. Default: ${default}." placeholder:"RESULTS"`
	JSON    bool     `name:"json" help:"Write JSON."`
	Model   string   `help:"Costs of the model of cycles that differ from its own, for profiles measured with the same --caches: kernel_returns=0,device_writes=700. Shown with its cycles." placeholder:"KEY=CYCLES,..."`
}

// Run shows by which functions they differ.
func (x *explainCmd) Run(e *env) error {
	model, err := profile.ParseModel(x.Model)
	if err != nil {
		return usageError{err}
	}
	a, b, err := results.Profiles(x.Results, x.A, x.B)
	if err != nil {
		return usageError{err}
	}
	switch {
	case x.Model == "":
	case x.JSON:
		return usageError{errors.New("--model is of cycles, which --json does not have: multiply its counts")}
	case !report.Modelled(a.Profile, b.Profile):
		return usageError{fmt.Errorf("--model is of cycles, for profiles of the same caches: A has %s, B %s: measure both with --caches", cachesOf(a), cachesOf(b))}
	}
	if x.JSON {
		return report.ExplainJSON(e.stdout, a, b)
	}
	if err := report.Explain(e.stdout, a, b, &model); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

func cachesOf(s *profile.Side) string {
	if s.Profile.Caches == "" {
		return "none"
	}
	return s.Profile.Caches
}
