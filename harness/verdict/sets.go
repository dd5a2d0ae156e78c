// SPDX-License-Identifier: MIT

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// SetComparison is the comparisons of two sets, and the trials that could not be
// compared.
type SetComparison struct {
	A, B string // labels of the sets
	// Differ are the keys in which the sides differ, with both values if each side has a
	// single one.
	Differ      []string
	Comparisons []Comparison
	// Refused lists, one per line, the trials whose counterpart is on a machine that is
	// not comparable with theirs.
	Refused []string
	// Alone are configurations that only one side has.
	Alone []string
	// Unmeasured counts the trials of A and of B that are not ok: they are not compared.
	Unmeasured [2]int
	// Marked are warnings about trials that were compared.
	Marked []string
}

// CompareSets compares the trials of one set with those of another. Trials are paired
// when every parameter matches except those in which the filters differ. Blocks are
// paired by boot if both sides were measured in the same boots, and else by their number.
//
// Machines must match in the properties that affect figures: accelerator, clock, backend,
// CPU model; in virtual time the backend's version too, since another QEMU executes
// another number of instructions. In virtual time twins of other BPF objects are refused
// unless otherTwins, since they execute other instructions.
func CompareSets(a, b Filter, as, bs []Input, otherTwins bool) SetComparison {
	c := SetComparison{A: a.Text, B: b.Text}
	as, c.Unmeasured[0] = measured(as)
	bs, c.Unmeasured[1] = measured(bs)
	free := differing(a, b, as, bs)
	for _, d := range free {
		if slices.Contains([]string{"run", "file", "side"}, d.name) {
			continue // implied by other keys
		}
		va, oka := onlyValue(d, as)
		vb, okb := onlyValue(d, bs)
		if oka && okb {
			c.Differ = append(c.Differ, fmt.Sprintf("%s: %s, %s", d.name, va, vb))
		} else {
			c.Differ = append(c.Differ, d.name)
		}
	}
	objects := objectsOf
	if otherTwins {
		objects = func(*record.Trial) string { return "" }
	}
	groups := [2]*variants{groupVariants(as, free, objects), groupVariants(bs, free, objects)}
	var matches [][2]*group
	used := map[variant]bool{}
	for _, key := range groups[0].order {
		c.refuseTwins(groups[0].by[key], groups[1].by[key])
		for _, one := range groups[0].by[key] {
			others := sameTwins(one, groups[1].by[key])
			together := slices.DeleteFunc(slices.Clone(others), func(other *group) bool { return !sameConfiguration(one, other) })
			if len(together) == 0 {
				together = others // their differences make them separate configurations
			}
			for _, other := range together {
				matches = append(matches, [2]*group{one, other})
			}
		}
		used[key] = len(groups[1].by[key]) > 0
	}
	c.Comparisons = make([]Comparison, len(matches))
	each(len(matches), func(i int) {
		c.Comparisons[i] = compareGroups(matches[i][0], matches[i][1], c.names(free, matches[i]))
	})
	c.refuse(groups, used)
	c.mark(matches)
	return c
}

// measured removes trials that are not ok, and counts them.
func measured(all []Input) (ok []Input, others int) {
	ok = make([]Input, 0, len(all))
	for _, in := range all {
		if in.Trial.Status == record.OK {
			ok = append(ok, in)
		}
	}
	return ok, len(all) - len(ok)
}

// group is the trials of one side with equal values.
type group struct {
	variant variant
	objects string // of the twins, where they must be the same
	trials  []*record.Trial
	runs    map[string]map[int]bool // configurations by run
}

// variants are groups by the values that they share with those of the other side.
type variants struct {
	order []variant
	by    map[variant][]*group
}

func groupVariants(in []Input, free []dimension, objects func(*record.Trial) string) *variants {
	type twins struct {
		variant variant
		objects string
	}
	all := &variants{by: map[variant][]*group{}}
	exact := map[twins]*group{}
	for _, i := range in {
		t := i.Trial
		own := variantOf(t)
		of := twins{own, objects(t)}
		g := exact[of]
		if g == nil {
			g = &group{variant: own, objects: of.objects, runs: map[string]map[int]bool{}}
			exact[of] = g
			key := own
			for _, d := range free {
				d.free(&key)
			}
			if all.by[key] == nil {
				all.order = append(all.order, key)
			}
			all.by[key] = append(all.by[key], g)
		}
		g.trials = append(g.trials, t)
		if g.runs[t.Trial.Run] == nil {
			g.runs[t.Trial.Run] = map[int]bool{}
		}
		g.runs[t.Trial.Run][t.Trial.Configuration] = true
	}
	return all
}

// objectsOf returns the objects that determine a twin's instruction count; empty:
// unknown, or in wall time.
func objectsOf(t *record.Trial) string {
	if t.Machine.Clock != record.Virtual {
		return ""
	}
	return t.Objects()
}

// sameTwins returns the groups whose twins may equal those of the group.
func sameTwins(one *group, others []*group) []*group {
	return slices.DeleteFunc(slices.Clone(others), func(other *group) bool {
		return one.objects != "" && other.objects != "" && one.objects != other.objects
	})
}

// refuseTwins adds a line for each pair of objects that prevents a comparison of groups.
func (c *SetComparison) refuseTwins(as, bs []*group) {
	refuse := func(a, b *group) {
		line := fmt.Sprintf("twins that must not be compared: the BPF objects are %s in A and %s in B (--other-twins compares them)", a.objects, b.objects)
		if !slices.Contains(c.Refused, line) {
			c.Refused = append(c.Refused, line)
		}
	}
	for _, a := range as {
		if len(bs) > 0 && len(sameTwins(a, bs)) == 0 {
			refuse(a, bs[0])
		}
	}
	for _, b := range bs {
		if len(sameTwins(b, as)) == 0 {
			refuse(as[0], b)
		}
	}
}

// sameConfiguration: within a run, the plan pairs configurations.
func sameConfiguration(a, b *group) bool {
	shared := false
	for run, configs := range a.runs {
		others, ok := b.runs[run]
		if !ok {
			continue
		}
		shared = true
		for n := range configs {
			if others[n] {
				return true
			}
		}
	}
	return !shared
}

// sameRun reports whether both were measured in the same boots.
func sameRun(a, b *group) bool {
	if a.variant.kernel != b.variant.kernel {
		return false
	}
	for run := range a.runs {
		if b.runs[run] == nil {
			return false
		}
	}
	return len(a.runs) == len(b.runs)
}

func compareGroups(a, b *group, names [2]string) Comparison {
	blocks := numberedBlocks
	if sameRun(a, b) {
		blocks = sameBlocks
	}
	c := compareSides(a.trials, b.trials, blocks, names)
	c.Kernel, c.Machine = a.trials[0].Kernel, a.trials[0].Machine
	c.B.Kernel = b.trials[0].Kernel
	return c
}

// names are the names of the sides, by their differences.
func (c *SetComparison) names(free []dimension, match [2]*group) [2]string {
	var names [2]string
	for i, g := range match {
		var parts []string
		in := Input{Trial: g.trials[0]}
		for _, d := range free {
			switch d.name {
			case "file", "run", "release", "side", "flush", "ring":
				continue
			}
			parts = append(parts, d.of(in))
		}
		names[i] = strings.Join(parts, " ")
	}
	if names[0] == "" || names[0] == names[1] {
		return [2]string{"A", "B"}
	}
	return names
}

// refuse distinguishes trials without any counterpart from those with one on a machine of
// another kind.
func (c *SetComparison) refuse(groups [2]*variants, used map[variant]bool) {
	bare := func(v variant) variant {
		v.machine = record.Machine{}
		return v
	}
	elsewhere := map[variant]variant{}
	for _, key := range groups[1].order {
		if !used[key] {
			elsewhere[bare(key)] = key
		}
	}
	lines := map[string]int{}
	var order []string
	for _, key := range groups[0].order {
		if used[key] {
			continue
		}
		other, ok := elsewhere[bare(key)]
		if !ok {
			c.Alone = append(c.Alone, "A: "+key.String())
			continue
		}
		delete(elsewhere, bare(key))
		line := "machines that must not be compared: " + strings.Join(machineDifferences(&key.machine, &other.machine), ", ")
		if lines[line]++; lines[line] == 1 {
			order = append(order, line)
		}
	}
	for _, key := range groups[1].order {
		if !used[key] && elsewhere[bare(key)] == key {
			c.Alone = append(c.Alone, "B: "+key.String())
		}
	}
	for _, line := range order {
		c.Refused = append(c.Refused, fmt.Sprintf("%s (%d configurations)", line, lines[line]))
	}
}

// String names a variant for a person.
func (v *variant) String() string {
	parts := []string{v.kernel.Want, v.plan, v.scenario, string(v.cell.Transport), string(v.cell.Policy), string(v.cell.Workload)}
	if v.cell.PayloadBytes > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", v.cell.PayloadBytes))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// machineDifferences lists the differences of machines.
func machineDifferences(a, b *record.Machine) []string {
	var all []string
	differ := func(what string, a, b any) {
		if a != b {
			all = append(all, fmt.Sprintf("%s is %v in A and %v in B", what, a, b))
		}
	}
	differ("accel", a.Accel, b.Accel)
	differ("clock", a.Clock, b.Clock)
	differ("backend", a.Backend, b.Backend)
	differ("CPU model", a.CPUModel, b.CPUModel)
	if a.Clock == b.Clock { // it affects virtual time
		differ("version", a.Version, b.Version)
	}
	differ("number of CPUs", a.CPUs, b.CPUs)
	differ("memory", a.MemoryBytes, b.MemoryBytes)
	return all
}

// mark warns of unreliable figures: emulated times of different runs.
func (c *SetComparison) mark(matches [][2]*group) {
	emulated, unpaired := 0, 0
	for _, m := range matches {
		if sameRun(m[0], m[1]) {
			continue
		}
		unpaired++
		if machine := m[0].variant.machine; !machine.Publishable() && machine.Clock != record.Virtual {
			emulated++
		}
	}
	if unpaired > 0 {
		c.Marked = append(c.Marked, fmt.Sprintf("%d of %d comparisons are of different boots, paired by the number of the block: a machine that drifts is not averaged out", unpaired, len(matches)))
	}
	if emulated > 0 {
		c.Marked = append(c.Marked, fmt.Sprintf("%d of %d comparisons are of emulated wall-clock times of different runs: counts can be trusted, times cannot", emulated, len(matches)))
	}
}
