// SPDX-License-Identifier: MIT

package trace

import "strings"

// pair is two calls in one row; either may be missing.
type pair [2]*Call

// align puts equal calls of two sequences into one row, as many as there can be
// in order (a longest common subsequence).
func align(a, b []Call) []pair {
	best := make([][]int, len(a)+1) // of what is left of a and b
	for i := range best {
		best[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if a[i].does() == b[j].does() {
				best[i][j] = max(best[i][j], 1+best[i+1][j+1])
			}
		}
	}
	var rows []pair
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i].does() == b[j].does() && best[i][j] == 1+best[i+1][j+1]:
			rows = append(rows, pair{&a[i], &b[j]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && best[i+1][j] >= best[i][j+1]:
			rows = append(rows, pair{&a[i], nil})
			i++
		default:
			rows = append(rows, pair{nil, &b[j]})
			j++
		}
	}
	return rows
}

// does identifies the purpose of a call: its kind, and the first object that it makes or
// names.
func (c *Call) does() string {
	object := ""
	if strings.HasPrefix(c.Result, "<") {
		object = c.Result
	}
	for _, arg := range c.Args {
		if object == "" && strings.HasPrefix(arg.Value, "<") {
			object = arg.Value
		}
	}
	return c.What() + " " + object
}
