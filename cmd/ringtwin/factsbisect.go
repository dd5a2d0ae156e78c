// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/ringtwin/ringtwin/harness/facts"
)

// bisect finds the first kernel on which a statement's experiment sees something
// else, and prints every step.
func (f *factsCmd) bisect(e *env) error {
	statements, err := facts.Select([]string{f.Bisect})
	if err == nil && len(statements) != 1 {
		err = fmt.Errorf("--bisect %s: that is a group; want one statement", f.Bisect)
	}
	if err != nil {
		return usageError{err}
	}
	job, refs, err := f.job(e, []string{f.From + ".." + f.To})
	if err != nil {
		return err
	}
	defer job.close()
	if len(refs) < 2 {
		return usageError{fmt.Errorf("%d kernels from %s to %s, want two at least", len(refs), f.From, f.To)}
	}
	fmt.Fprintf(e.stdout, "%s: %s\n%d kernels from %s to %s, at most %d boots\n\n",
		f.Bisect, statements[0].Text, len(refs), refs[0].Name, refs[len(refs)-1].Name, 2+bits.Len(uint(len(refs)-2)))
	step := 0
	first, err := facts.Bisect(len(refs), func(i int) (facts.Result, error) {
		grid, err := job.grid(refs[i:i+1], statements)
		if err != nil {
			return facts.Result{}, err
		}
		result, ok := grid.Columns[0].Results[f.Bisect]
		if !ok {
			return result, exitError(exitInfra) // and it has been explained
		}
		step++
		_, err = fmt.Fprintf(e.stdout, "%d. %s (%s): %s: %s\n", step, refs[i].Name, grid.Columns[0].Release, result.Verdict, firstLine(errors.New(result.Seen)))
		return result, err
	})
	if errors.Is(err, facts.ErrSame) {
		fmt.Fprintf(e.stdout, "\nno boundary: %s and %s are the same\n", refs[0].Name, refs[len(refs)-1].Name)
		return exitError(exitFailed)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\nthe first to differ is %s; the one before is %s\n", refs[first].Name, refs[first-1].Name)
	return err
}
