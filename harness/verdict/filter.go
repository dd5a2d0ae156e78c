// SPDX-License-Identifier: MIT

package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Input is a trial and the file that it is from.
type Input struct {
	File  string
	Trial *record.Trial
}

// dimension is a key that trials can be chosen by.
type dimension struct {
	name string
	of   func(Input) string
	// is reports whether the trial has the value; nil: it is equal.
	is func(in Input, value string) bool
	// free lets the key differ: it removes the key, and its consequences, from what
	// trials must share.
	free func(*variant)
}

// variant is the values that one side's trials share.
type variant struct {
	kernel         record.Kernel
	machine        record.Machine
	cell           record.Cell
	plan, scenario string
}

func variantOf(t *record.Trial) variant {
	v := variant{kernel: t.Kernel, machine: t.Machine, cell: t.Cell, plan: t.Trial.Plan, scenario: t.Trial.Scenario}
	v.machine.Command, v.machine.Warm = "", false
	if t.Machine.Clock != record.Virtual {
		v.machine.Version = "" // it affects instruction counts only
	}
	if t.Trial.Step > 0 {
		v.cell.RateHz = 0
	}
	return v
}

// freeSide frees all keys that belong to a side of a pair.
func freeSide(v *variant) {
	v.cell.Transport, v.cell.Policy, v.cell.Agent, v.cell.RingBytes, v.cell.RingBytesTotal = "", "", "", 0, 0
	for _, x := range axis.All() {
		if x.Side {
			x.Clear(&v.cell)
		}
	}
}

// freeAxis frees an axis and its consequences. Unless the axis is a side's, it also frees
// the scenario, which is the plan's name for its values.
func freeAxis(x axis.Axis) func(*variant) {
	return func(v *variant) {
		x.Clear(&v.cell)
		for _, name := range x.Frees {
			if other, ok := axis.Named(name); ok {
				other.Clear(&v.cell)
			}
		}
		if !x.Side {
			v.scenario = ""
		}
	}
}

func dimensions() []dimension {
	number := func(n int) string { return strconv.Itoa(n) }
	free := func(*variant) {}
	ring := func(v *variant) {
		v.cell.RingBytes, v.cell.RingBytesTotal, v.cell.Equal, v.scenario = 0, 0, "", ""
	}
	kernel := func(v *variant) { v.kernel = record.Kernel{} }
	all := []dimension{
		{name: "transport", of: func(in Input) string { return string(in.Trial.Cell.Transport) }, free: freeSide},
		{name: "policy", of: func(in Input) string { return string(in.Trial.Cell.Policy) }, free: func(v *variant) { v.cell.Policy, v.cell.FlushMS = "", 0 }},
		{name: "side", of: func(in Input) string { return in.Trial.Trial.Side }, free: freeSide},
		{name: "kernel", of: func(in Input) string { return in.Trial.Kernel.Want }, free: kernel, is: isKernel},
		{name: "release", of: func(in Input) string { return in.Trial.Kernel.Release }, free: kernel, is: isKernel},
		{name: "plan", of: func(in Input) string { return in.Trial.Trial.Plan }, free: func(v *variant) { v.plan = "" }},
		{name: "scenario", of: func(in Input) string { return in.Trial.Trial.Scenario }, free: func(v *variant) { v.scenario = "" }},
		{name: "setup", of: func(in Input) string { return number(in.Trial.Trial.Configuration) }, free: func(v *variant) { v.scenario, v.cell = "", record.Cell{} }},
		{name: "attach", of: func(in Input) string { return string(in.Trial.Cell.Attach) }, free: func(v *variant) { v.cell.Attach = "" }},
		{name: "ring", of: func(in Input) string { return number(in.Trial.Cell.RingBytes) }, free: ring},
		{name: "equal", of: func(in Input) string { return string(in.Trial.Cell.Equal) }, free: ring},
	}
	for _, x := range axis.All() {
		all = append(all, dimension{name: x.Filter, of: func(in Input) string { return x.Get(&in.Trial.Cell) }, free: freeAxis(x)})
	}
	return append(all,
		dimension{name: "file", of: func(in Input) string { return in.File }, free: free},
		dimension{name: "run", of: func(in Input) string { return in.Trial.Trial.Run }, free: free},
		// Keys of the machine select trials, but must not differ: trials of different
		// machines are not comparable.
		dimension{name: "accel", of: func(in Input) string { return in.Trial.Machine.Accel }, free: free},
		dimension{name: "clock", of: func(in Input) string { return in.Trial.Machine.Clock }, free: free},
		dimension{name: "backend", of: func(in Input) string { return in.Trial.Machine.Backend }, free: free},
		dimension{name: "cpus", of: func(in Input) string { return number(in.Trial.Machine.CPUs) }, free: func(v *variant) { v.machine.CPUs = 0; freeSide(v) }},
		dimension{name: "version", of: func(in Input) string { return in.Trial.Machine.Version }, free: free},
	)
}

// FilterKeys are all keys of a filter, for help.
func FilterKeys() []string {
	var all []string
	for _, d := range dimensions() {
		all = append(all, d.name)
	}
	return all
}

// isKernel: a version names its releases too.
func isKernel(in Input, value string) bool {
	k := &in.Trial.Kernel
	return k.Want == value || k.Release == value || strings.HasPrefix(k.Release, value+".")
}

// Filter selects the trials that have all of these values.
type Filter struct {
	Text string // as the user wrote it
	keys []chosen
}

type chosen struct {
	dimension dimension
	value     string
}

// ParseFilter reads "transport=perf,kernel=6.1". An unknown key is an error that suggests
// the nearest one. Empty text selects all.
func ParseFilter(text string) (Filter, error) {
	s := Filter{Text: text}
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	all, names := dimensions(), FilterKeys()
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		// A policy has an equals sign of its own, which Cut leaves in the value.
		at := slices.Index(names, key)
		if at < 0 {
			return s, fmt.Errorf("%q: no key %q, want one of %s (nearest: %s)", text, key, strings.Join(names, ", "), nearest(key, names))
		}
		if !ok || value == "" {
			return s, fmt.Errorf("%q: want %s=VALUE", text, key)
		}
		s.keys = append(s.keys, chosen{all[at], value})
	}
	return s, nil
}

// nearest returns the valid word nearest to an unknown one.
func nearest(got string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int {
		return levenshtein.ComputeDistance(got, a) - levenshtein.ComputeDistance(got, b)
	})
}

func (s *Filter) has(in Input) bool {
	for _, c := range s.keys {
		if c.dimension.is != nil && !c.dimension.is(in, c.value) || c.dimension.is == nil && c.dimension.of(in) != c.value {
			return false
		}
	}
	return true
}

// Of returns the trials that the filter selects.
func (s *Filter) Of(all []Input) []Input {
	var some []Input
	for _, in := range all {
		if s.has(in) {
			some = append(some, in)
		}
	}
	return some
}

// ErrEmpty is returned for a filter that selects no trial.
var ErrEmpty = errors.New("no trial")

// differing returns the keys in which the filters differ, and those with one value in all
// trials of one side and another value in all of the other: files of two kernels are a
// comparison of kernels.
func differing(a, b Filter, as, bs []Input) []dimension {
	var all []dimension
	for _, d := range dimensions() {
		named := func(s Filter) string {
			for _, c := range s.keys {
				if c.dimension.name == d.name {
					return c.value
				}
			}
			return ""
		}
		if named(a) != named(b) {
			all = append(all, d)
			continue
		}
		va, oka := onlyValue(d, as)
		vb, okb := onlyValue(d, bs)
		if oka && okb && va != vb && !slices.Contains([]string{"setup", "cpus"}, d.name) {
			all = append(all, d)
		}
	}
	return all
}

func onlyValue(d dimension, in []Input) (string, bool) {
	if len(in) == 0 {
		return "", false
	}
	first := d.of(in[0])
	for _, i := range in[1:] {
		if d.of(i) != first {
			return "", false
		}
	}
	return first, true
}
