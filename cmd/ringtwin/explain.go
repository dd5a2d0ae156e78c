// SPDX-License-Identifier: MIT

package main

import (
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
	Model   string   `help:"Costs of the model of cycles that differ from its own, for profiles measured with --caches: kernel_returns=0,device_writes=700. Shown with its cycles." placeholder:"KEY=CYCLES,..."`
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
	if x.JSON {
		return report.ExplainJSON(e.stdout, a, b)
	}
	if err := report.Explain(e.stdout, a, b, &model); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}
