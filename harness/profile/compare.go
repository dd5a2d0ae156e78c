// SPDX-License-Identifier: MIT

package profile

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Merge adds profiles of the same configuration: its counts are of all their events.
// Without any it returns nil.
func Merge(all []*record.Profile) *record.Profile {
	if len(all) == 0 {
		return nil
	}
	sum := &record.Profile{Plugin: all[0].Plugin, Caches: all[0].Caches}
	index := map[string]int{}
	for _, part := range Parts() {
		merged := map[string]*record.Stack{}
		into := part.Of(sum)
		for _, p := range all {
			from := part.Of(p)
			into.Per += from.Per
			for _, s := range from.Stacks {
				frames := make([]int, len(s.Frames))
				key := ""
				for f, n := range s.Frames {
					name := p.Functions[n]
					if _, ok := index[name]; !ok {
						index[name] = len(sum.Functions)
						sum.Functions = append(sum.Functions, name)
					}
					frames[f] = index[name]
					key += name + ";"
				}
				if merged[key] == nil {
					merged[key] = &record.Stack{Frames: frames}
				}
				for c, n := range s.Counts {
					merged[key].Counts[c] += n
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(merged)) {
			into.Stacks = append(into.Stacks, *merged[key])
		}
	}
	return sum
}

// Part is the program or the reader.
type Part struct {
	Name string
	// Of selects it.
	Of func(*record.Profile) *record.Part
	// Figure is what the record has of it, in instructions for each event.
	Figure func(*record.Cost) float64
}

// Parts are all parts of a profile.
func Parts() []Part {
	return []Part{
		{"program", func(p *record.Profile) *record.Part { return &p.Program }, func(c *record.Cost) float64 { return c.InstructionsPerEvent }},
		{"reader", func(p *record.Profile) *record.Part { return &p.Reader }, func(c *record.Cost) float64 { return c.ConsumerInstructionsPerEvent }},
	}
}

// PerEvent are the counts of an event.
type PerEvent [record.Counters]float64

// Functions are the counts of each function itself, without those that it calls.
func Functions(p *record.Profile, part Part) map[string]PerEvent {
	all := map[string]PerEvent{}
	from := part.Of(p)
	for _, s := range from.Stacks {
		name := p.Functions[s.Frames[len(s.Frames)-1]]
		counts := all[name]
		for i, n := range s.Counts {
			counts[i] += float64(n) / float64(max(from.Per, 1))
		}
		all[name] = counts
	}
	return all
}

// Total is the sum over all functions.
func Total(p *record.Profile, part Part) PerEvent {
	var sums [record.Counters]int64
	from := part.Of(p)
	for _, s := range from.Stacks {
		for i, n := range s.Counts {
			sums[i] += n
		}
	}
	var total PerEvent
	for i, n := range sums {
		total[i] = float64(n) / float64(max(from.Per, 1))
	}
	return total
}

// Change is what a function takes of either of two profiles.
type Change struct {
	Function string   `json:"function"`
	A        PerEvent `json:"a"`
	B        PerEvent `json:"b"`
}

// Instructions is by how many B has more.
func (c *Change) Instructions() float64 {
	return c.B[record.Instructions] - c.A[record.Instructions]
}

// Compare returns the functions of both, those that make the largest difference first.
func Compare(a, b *record.Profile, part Part) []Change {
	of, with := Functions(a, part), Functions(b, part)
	names := maps.Clone(of)
	maps.Copy(names, with)
	var all []Change
	for name := range names {
		all = append(all, Change{name, of[name], with[name]})
	}
	slices.SortFunc(all, func(x, y Change) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Instructions()), math.Abs(x.Instructions())), cmp.Compare(x.Function, y.Function))
	})
	return all
}
