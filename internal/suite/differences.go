// SPDX-License-Identifier: MIT

package suite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Row is a test, or a package as a whole, on every kernel.
type Row struct {
	Package, Test string  // Test "": the package as a whole
	States        []State // by kernel, in order of the work
	// Words are what ended the test on each kernel, if that says more than the state.
	Words []string
	// Outputs are what it wrote on each kernel.
	Outputs []string
}

// Name is the package, and the test behind a point.
func (r *Row) Name() string {
	if r.Test == "" {
		return r.Package
	}
	return r.Package + "." + r.Test
}

// Cell is the state on a kernel, with what is known of the reason.
func (r *Row) Cell(kernel int) string {
	if word := r.Words[kernel]; word != "" && word != string(r.States[kernel]) {
		return fmt.Sprintf("%s (%s)", r.States[kernel], r.Words[kernel])
	}
	return string(r.States[kernel])
}

// differs reports whether two kernels on which it was run differ.
func (r *Row) differs() bool {
	first := NotRun
	for _, s := range r.States {
		if s == NotRun {
			continue
		}
		if first == NotRun {
			first = s
		} else if s != first {
			return true
		}
	}
	return false
}

// worst is the worst of its states.
func (r *Row) worst() State {
	return slices.MinFunc(r.States, func(a, b State) int { return cmp.Compare(a.rank(), b.rank()) })
}

// Compare returns the rows that differ between kernels, the worst first, and those that
// are not passed on any kernel on which they ran. A test is left out if a subtest of it is
// in the same list, and a package if one of its tests is.
func (r *Results) Compare() (differ, failed []Row) {
	for _, p := range r.Work.Packages {
		rows := r.rows(p.Path)
		var differing, failing []Row
		for _, row := range rows {
			switch {
			case hasBelow(differing, &row) || hasBelow(failing, &row) && !row.differs():
			case row.differs():
				differing = append(differing, row)
			case row.worst().rank() < Passed.rank():
				failing = append(failing, row)
			}
		}
		slices.Reverse(differing)
		slices.Reverse(failing)
		differ, failed = append(differ, differing...), append(failed, failing...)
	}
	slices.SortStableFunc(differ, func(a, b Row) int { return cmp.Compare(a.worst().rank(), b.worst().rank()) })
	return differ, failed
}

// hasBelow reports whether a list has a test below a row's.
func hasBelow(list []Row, row *Row) bool {
	return slices.ContainsFunc(list, func(other Row) bool {
		return row.Test == "" || strings.HasPrefix(other.Test, row.Test+"/")
	})
}

// rows are those of a package, the last tests first, and each below its subtests.
func (r *Results) rows(path string) []Row {
	kernels := len(r.Work.Kernels)
	empty := func(test string) *Row {
		row := &Row{Package: path, Test: test, States: make([]State, kernels), Words: make([]string, kernels), Outputs: make([]string, kernels)}
		for i := range row.States {
			row.States[i] = NotRun
		}
		return row
	}
	whole := empty("")
	tests, order := map[string]*Row{}, []string{}
	for i, kernel := range r.Work.Kernels {
		u := r.Units[Key{kernel, path}]
		if u == nil {
			continue
		}
		interrupted := u.reason() == cancelled
		whole.States[i], whole.Words[i], whole.Outputs[i] = u.State(), string(u.reason()), cmp.Or(u.Unbuilt, u.Output())
		if u.Unbuilt != "" {
			whole.Words[i] = "does not build"
		} else if interrupted {
			whole.States[i] = NotRun
		}
		for _, t := range u.Tests() {
			if interrupted && t.State == Lost {
				continue
			}
			row := tests[t.Name]
			if row == nil {
				row = empty(t.Name)
				tests[t.Name], order = row, append(order, t.Name)
			}
			row.States[i], row.Outputs[i] = t.State, t.Output
			if t.State == Lost || t.State == Splat {
				row.Words[i] = string(u.reason())
			}
		}
	}
	var rows []Row
	for _, name := range slices.Backward(order) {
		rows = append(rows, *tests[name])
	}
	// Subtests have their parents before them in the events.
	return append(rows, *whole)
}
