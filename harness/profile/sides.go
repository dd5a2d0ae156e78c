// SPDX-License-Identifier: MIT

package profile

import (
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

	values []string
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
		values := Values(t)
		k := key{t.Kernel.Want, scenario, t.Cell.Configuration(), strings.Join(values, "\n")}
		if _, ok := at[k]; !ok {
			at[k] = len(all)
			all = append(all, Side{Kernel: t.Kernel.Want, Release: t.Kernel.Release, SHA256: t.Kernel.SHA256, Scenario: scenario, Cell: &t.Cell, values: values})
		}
		profiles[k] = append(profiles[k], t.Profile)
	}
	for k, i := range at {
		all[i].Profile = Merge(profiles[k])
	}
	tellApart(all)
	return all
}

// Values are all values on which the counts of a trial depend but its kernel and its
// configuration: those of its cell and of its machine, KEY=VALUE, in an order.
func Values(t *record.Trial) []string {
	m := &t.Machine
	caches := ""
	if t.Profile != nil {
		caches = t.Profile.Caches
	}
	values := []string{
		"release=" + t.Kernel.Release, "clock=" + m.Clock, "cpus=" + strconv.Itoa(m.CPUs), "cpu_model=" + m.CPUModel, "caches=" + caches,
		"ring_bytes=" + strconv.Itoa(t.Cell.RingBytes),
	}
	for _, a := range axis.All() {
		values = append(values, a.Name+"="+a.Get(&t.Cell))
	}
	return values
}

// tellApart adds to the scenarios of sides that have the same name how they differ.
func tellApart(all []Side) {
	type name struct{ kernel, scenario, configuration string }
	nameOf := func(s *Side) name { return name{s.Kernel, s.Scenario, s.Cell.Configuration()} }
	firsts := map[name][]string{}
	differ := map[name]map[int]bool{}
	for i := range all {
		s := &all[i]
		n := nameOf(s)
		if firsts[n] == nil {
			firsts[n], differ[n] = s.values, map[int]bool{}
		}
		for at, value := range s.values {
			if value != firsts[n][at] {
				differ[n][at] = true
			}
		}
	}
	for i := range all {
		s := &all[i]
		for _, at := range slices.Sorted(maps.Keys(differ[nameOf(s)])) {
			s.Scenario += " " + s.values[at]
		}
	}
}
