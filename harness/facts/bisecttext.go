// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// ErrUndecided is returned for a kernel on which an experiment could not be run.
var ErrUndecided = errors.New("the experiment could not be made")

// BisectTo prints every step of [Bisect] over n kernels with names, for one statement.
// look runs its experiment on one. The error is [ErrSame] if both ends have the same
// result.
func BisectTo(w io.Writer, s Statement, n int, name func(int) string, look func(int) (Column, error)) error {
	fmt.Fprintf(w, "%s: %s\n%d kernels from %s to %s, at most %d boots\n\n", s.ID, s.Text, n, name(0), name(n-1), 2+bits.Len(uint(n-2)))
	step := 0
	first, err := Bisect(n, func(i int) (Result, error) {
		column, err := look(i)
		if err != nil {
			return Result{}, err
		}
		result, ok := column.Results[s.ID]
		if !ok {
			return result, ErrUndecided
		}
		step++
		seen, _, _ := strings.Cut(result.Seen, "\n")
		_, err = fmt.Fprintf(w, "%d. %s (%s): %s: %s\n", step, name(i), column.Release, result.Verdict, seen)
		return result, err
	})
	if errors.Is(err, ErrSame) {
		fmt.Fprintf(w, "\nno boundary: %s and %s are the same\n", name(0), name(n-1))
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nthe first to differ is %s; the one before is %s\n", name(first), name(first-1))
	return err
}
