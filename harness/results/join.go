// SPDX-License-Identifier: MIT

package results

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ringtwin/ringtwin/harness/record"
)

// join makes one list of the trials of a kernel that several machines have measured, each
// its own share, as if one had measured all; missing are planned trials that none has.
func join(parts [][]record.Trial, missing int) []record.Trial {
	all := slices.Concat(parts...)
	slices.SortStableFunc(all, func(a, b record.Trial) int {
		p, q := &a.Trial, &b.Trial
		return cmp.Or(cmp.Compare(p.Configuration, q.Configuration), -strings.Compare(a.Machine.Clock, b.Machine.Clock),
			cmp.Compare(p.Block, q.Block), cmp.Compare(p.Position, q.Position))
	})
	count(parts, all, missing)
	return all
}

// counted is what the number of planned trials is of.
type counted struct{ run, clock string }

func countedOf(t *record.Trial) counted { return counted{t.Trial.Run, t.Machine.Clock} }

// step is a block of a configuration. A machine measures a block of each configuration,
// then another of those that are undecided.
type step struct{ block, configuration int }

func stepOf(t *record.Trial) step { return step{t.Trial.Block, t.Trial.Configuration} }

// count sets in all trials how many were planned until then by all machines: a record has
// those of its own machine. In a file, planned trials without a record are missing.
func count(parts [][]record.Trial, all []record.Trial, missing int) {
	base := map[counted]int{}           // planned at the beginning
	added := map[counted]map[step]int{} // by a block, later
	for _, part := range parts {
		for at, until := range untils(part) {
			steps := sortedSteps(until)
			base[at] += until[steps[0]]
			for i := range steps[1:] {
				if added[at] == nil {
					added[at] = map[step]int{}
				}
				added[at][steps[i+1]] += until[steps[i+1]] - until[steps[i]]
			}
		}
	}
	if len(all) > 0 {
		base[countedOf(&all[0])] += missing
	}
	sums := map[counted]*sums{}
	for at, steps := range added {
		sums[at] = sumsOf(steps)
	}
	for i := range all {
		at := countedOf(&all[i])
		all[i].Trial.Trials = base[at] + sums[at].until(stepOf(&all[i]))
	}
}

// sums are those of all steps until each.
type sums struct {
	steps []step
	sum   []int
}

func sumsOf(of map[step]int) *sums {
	s := &sums{steps: sortedSteps(of)}
	sum := 0
	for _, at := range s.steps {
		sum += of[at]
		s.sum = append(s.sum, sum)
	}
	return s
}

// until is the sum at a step.
func (s *sums) until(at step) int {
	if s == nil {
		return 0
	}
	i, found := slices.BinarySearchFunc(s.steps, at, step.compare)
	if found {
		i++
	}
	if i == 0 {
		return 0
	}
	return s.sum[i-1]
}

// untils is how many trials were planned at each step.
func untils(part []record.Trial) map[counted]map[step]int {
	all := map[counted]map[step]int{}
	for i := range part {
		t := &part[i]
		at := countedOf(t)
		if all[at] == nil {
			all[at] = map[step]int{}
		}
		all[at][stepOf(t)] = max(all[at][stepOf(t)], t.Trial.Trials)
	}
	return all
}

func sortedSteps(of map[step]int) []step {
	steps := make([]step, 0, len(of))
	for s := range of {
		steps = append(steps, s)
	}
	slices.SortFunc(steps, step.compare)
	return steps
}

func (s step) compare(o step) int {
	return cmp.Or(cmp.Compare(s.block, o.block), cmp.Compare(s.configuration, o.configuration))
}

// natural compares names with the numbers in them as numbers: 5.10 is above 5.9.
func natural(a, b string) int {
	digits := func(s string) int {
		if i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }); i >= 0 {
			return i
		}
		return len(s)
	}
	for a != "" && b != "" {
		if i, j := digits(a), digits(b); i > 0 && j > 0 {
			m, _ := strconv.ParseUint(a[:i], 10, 64)
			n, _ := strconv.ParseUint(b[:j], 10, 64)
			if m != n {
				return cmp.Compare(m, n)
			}
			a, b = a[i:], b[j:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}
