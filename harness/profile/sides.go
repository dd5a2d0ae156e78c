// SPDX-License-Identifier: MIT

package profile

import (
	"strconv"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Side is one side of a configuration on one kernel, with the profile of all its trials.
type Side struct {
	Kernel   string // as it was named
	Release  string
	Scenario string // of the plan; or the number of the configuration, if it has no name
	Cell     *record.Cell
	Profile  *record.Profile
}

// Name is that of the side in a plan, on its kernel: ringbuf/timer@6.12.
func (s *Side) Name() string { return s.Cell.Configuration() + "@" + s.Kernel }

// Sides are those of the trials, in their order. Trials without a profile, or that are not
// ok, are left out.
func Sides(trials []record.Trial) []Side {
	type key struct{ kernel, scenario, configuration string }
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
		k := key{t.Kernel.Want, scenario, t.Cell.Configuration()}
		if _, ok := at[k]; !ok {
			at[k] = len(all)
			all = append(all, Side{Kernel: t.Kernel.Want, Release: t.Kernel.Release, Scenario: scenario, Cell: &t.Cell})
		}
		profiles[k] = append(profiles[k], t.Profile)
	}
	for k, i := range at {
		all[i].Profile = Merge(profiles[k])
	}
	return all
}
