// SPDX-License-Identifier: MIT

package profile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Side is one side of a configuration on one kernel, with the profile of all its trials.
type Side struct {
	Kernel  string // as it was named
	Release string
	SHA256  string // of the kernel's image
	// Scenario is its name in the plan, or the number of the configuration if it has none. If
	// it has several sides of one name, it has also what tells them apart: "storm producers=2".
	Scenario string
	Cell     *record.Cell
	Profile  *record.Profile
}

// Name is that of the side in a plan, on its kernel: ringbuf/timer@6.12.
func (s *Side) Name() string { return s.Cell.Configuration() + "@" + s.Kernel }

// Sides are those of the trials, in their order. Trials without a profile, or that are not
// ok, are left out.
func Sides(trials []record.Trial) []Side {
	type key struct{ kernel, scenario, configuration, cell string }
	profiles := map[key][]*record.Profile{}
	at := map[key]int{}
	var all []Side
	for i := range trials {
		t := &trials[i]
		if t.Profile == nil || t.Status != record.OK {
			continue
		}
		scenario := t.Trial.Scenario
		if scenario == "" {
			scenario = strconv.Itoa(t.Trial.Configuration)
		}
		k := key{t.Kernel.Want, scenario, t.Cell.Configuration(), strings.Join(valuesOf(&t.Cell), " ")}
		if _, ok := at[k]; !ok {
			at[k] = len(all)
			all = append(all, Side{Kernel: t.Kernel.Want, Release: t.Kernel.Release, SHA256: t.Kernel.SHA256, Scenario: scenario, Cell: &t.Cell})
		}
		profiles[k] = append(profiles[k], t.Profile)
	}
	for k, i := range at {
		all[i].Profile = Merge(profiles[k])
	}
	tellApart(all)
	return all
}

// valuesOf are all values of the cell, KEY=VALUE, in an order.
func valuesOf(c *record.Cell) []string {
	values := []string{fmt.Sprintf("ring_bytes=%d", c.RingBytes)}
	for _, a := range axis.All() {
		values = append(values, a.Name+"="+a.Get(c))
	}
	return values
}

// tellApart adds to the scenarios of sides that have the same name how they differ.
func tellApart(all []Side) {
	type name struct{ scenario, configuration string }
	firsts := map[name][]string{}
	differ := map[name]map[int]bool{}
	for i := range all {
		n := name{all[i].Scenario, all[i].Cell.Configuration()}
		values := valuesOf(all[i].Cell)
		if firsts[n] == nil {
			firsts[n], differ[n] = values, map[int]bool{}
		}
		for at, value := range values {
			if value != firsts[n][at] {
				differ[n][at] = true
			}
		}
	}
	for i := range all {
		s := &all[i]
		values := valuesOf(s.Cell)
		name := name{s.Scenario, s.Cell.Configuration()}
		for _, at := range slices.Sorted(maps.Keys(differ[name])) {
			s.Scenario += " " + values[at]
		}
	}
}
