// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/vmtest"
)

// mergeCmd joins the results of several machines.
type mergeCmd struct {
	Runs []string `arg:"" name:"run" help:"Directories of runs of vmtest, such as out/latest, or the results.jsonl in them: the shards of one run, or one run for each kernel. Their order does not matter." type:"path"`
	outFlags
	Expect string `help:"Kernels that must be in the results, by the names requested: \"5.10 6.1\"." placeholder:"KERNELS"`
}

// Run writes one run, and ends as vmtest would have with all of it on one machine.
func (m *mergeCmd) Run(e *env) error {
	merged, err := results.Merge(m.Runs, vmtest.Words(m.Expect))
	if err != nil {
		return usageError{err}
	}
	for i := range merged.Missing {
		e.explain("", &merged.Missing[i])
	}
	for _, note := range merged.Notes {
		fmt.Fprintf(e.stderr, "ringtwin: %s\n", note)
	}
	out, err := merged.Store(m.Out)
	if err != nil {
		return err
	}
	if err := e.conclude(out, merged.Order(), merged.Errors, m.Details); err != nil || len(merged.Missing) == 0 {
		return err
	}
	return exitError(exitInfra)
}
