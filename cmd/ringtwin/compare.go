// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin/harness/results"
)

// compareCmd compares stored results.
type compareCmd struct {
	Files []string `arg:"" name:"results" help:"Two results.jsonl files, A and B; with --a and --b, any number of files to filter." type:"existingfile"`
	A     string   `name:"a" help:"Filter for A: KEY=VALUE, several separated by commas, such as transport=perf,kernel=6.1. Keys: ${filters}." placeholder:"FILTER"`
	B     string   `name:"b" help:"Filter for B, in the same format." placeholder:"FILTER"`

	Gate       []string `help:"Fail if B is worse than A by more than a limit: 'instructions_per_event<=0.5%', 'loss<=0'. Repeatable. Metrics: ${metrics}." placeholder:"METRIC<=LIMIT%" sep:"none"`
	GateWall   bool     `help:"Apply gates to wall-clock times of emulated VMs too."`
	OtherTwins bool     `help:"Compare records of different twins too. Otherwise records of different BPF objects in virtual time are rejected."`
	JSON       bool     `name:"json" help:"Write JSON." xor:"format"`
	Markdown   bool     `help:"Write Markdown, for example for the summary of a CI job." xor:"format"`
	ciFlags
}

// Run reads the files, compares what the filters select, and applies the gates.
func (c *compareCmd) Run(e *env) error {
	query := &results.Query{Files: c.Files, A: c.A, B: c.B, Gates: c.Gate, GateWall: c.GateWall, OtherTwins: c.OtherTwins}
	if err := query.Check(); err != nil {
		return usageError{err}
	}
	answer, err := query.Compare()
	if err != nil {
		return err
	}
	if err := answer.Write(e.stdout, c.JSON, c.Markdown); err != nil {
		return err
	}
	e.explain("", answer.Missing)
	return c.tell(e, answer.Problems(), "", answer.Markdown)
}
