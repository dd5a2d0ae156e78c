// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"slices"
)

// Growth is how often a kind of call was made over one transport, by the number of CPUs.
// Probes are not counted as calls.
type Growth struct {
	Transport string `json:"transport"`
	What      string `json:"what"` // as [Call.What]; "all calls"; "probes"
	CPUs      []int  `json:"cpus"`
	Counts    []int  `json:"counts"` // one for each of CPUs
	// Law is the count with N CPUs: "3", "2 + N", "4 N", "1 + 2 N". It is empty with one
	// number of CPUs, and if no straight line fits all.
	Law string `json:"law,omitempty"`
}

// The rows of sums.
const (
	AllCalls = "all calls"
	Probes   = "probes"
)

// Grow counts the calls of one kernel's traces, by their number of CPUs. Kinds are in the order in which they were first made over any
// transport, and each has a row for each transport.
func Grow(all []Trace) []Growth {
	if len(all) == 0 {
		return nil
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b Trace) int { return a.CPUs - b.CPUs })
	var kinds []string
	for _, s := range all[0].Sequences {
		at := 0
		for _, c := range s.Calls {
			if c.Probe {
				continue
			}
			if i := slices.Index(kinds, c.What()); i >= 0 {
				at = max(at, i+1)
				continue
			}
			kinds = slices.Insert(kinds, at, c.What())
			at++
		}
	}
	var rows []Growth
	for _, what := range append(kinds, AllCalls, Probes) {
		for i, s := range all[0].Sequences {
			g := Growth{Transport: s.Transport, What: what}
			for _, trace := range all {
				g.CPUs = append(g.CPUs, trace.CPUs)
				g.Counts = append(g.Counts, trace.Sequences[i].count(what))
			}
			g.Law = law(g.CPUs, g.Counts)
			rows = append(rows, g)
		}
	}
	return rows
}

func (s *Sequence) count(what string) int {
	n := 0
	for _, c := range s.Calls {
		if c.Probe && what == Probes || !c.Probe && (what == AllCalls || what == c.What()) {
			n++
		}
	}
	return n
}

// law is the straight line through all counts.
func law(cpus, counts []int) string {
	last := len(cpus) - 1
	if last < 1 || cpus[last] == cpus[0] || (counts[last]-counts[0])%(cpus[last]-cpus[0]) != 0 {
		return ""
	}
	slope := (counts[last] - counts[0]) / (cpus[last] - cpus[0])
	base := counts[0] - slope*cpus[0]
	for i := range cpus {
		if counts[i] != base+slope*cpus[i] {
			return ""
		}
	}
	n := "N"
	if slope != 1 {
		n = fmt.Sprintf("%d N", slope)
	}
	switch {
	case slope == 0:
		return fmt.Sprint(base)
	case base == 0:
		return n
	}
	return fmt.Sprintf("%d + %s", base, n)
}
