// SPDX-License-Identifier: MIT

// Package verdict compares the trials of two sides, such as the two transports:
// for each metric the median of either, and their ratio paired by block.
//
// It does not measure or format. Figures use only trials whose ledger balances; the
// others are counted by status.
package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Total counts the events of one side by outcome, over all trials.
type Total struct {
	Trials                                 int
	Emitted, Delivered, Residual, LostTail uint64
	Failed                                 map[string]uint64 // by errno
	FailedCPUs                             map[string][]int  // of refusals with another cause than a full ring
	// Misses are the events of runs of the twin that the kernel skipped.
	Misses uint64
}

// Lost is how many events did not get into a ring.
func (t Total) Lost() uint64 {
	n := t.Misses
	for _, count := range t.Failed {
		n += count
	}
	return n
}

// Side is one of the two sides of a comparison.
type Side struct {
	// Label distinguishes it from the other: the transport, or with the same transport on
	// both sides also the policy.
	Label  string
	Cell   record.Cell
	Kernel record.Kernel // of B, where kernels are compared
	Total  Total
	Knee   *Knee // of a sweep

	trials []*record.Trial // that are ok
}

// Configuration is the transport with its policy.
func (s *Side) Configuration() string { return s.Cell.Configuration() }

// Comparison is the results of one configuration on one kernel.
type Comparison struct {
	Plan          string
	Configuration int    // its number in the plan
	Scenario      string // the name that the plan gave it, or empty
	Kernel        record.Kernel
	Machine       record.Machine
	Objects       string // of the twins; empty: not known
	A, B          Side

	Planned  int // trials, including those without a record
	Statuses map[record.Status]int
	// Reasons are those of the trials that are not ok, without repetition.
	Reasons []Reason

	// Invariants is the minimum number of ledger lines of a trial. In a trial that is ok
	// all hold.
	Invariants int

	Rows []Row // empty unless both sides have trials

	all []*record.Trial
}

// Sides are A and B.
func (c *Comparison) Sides() [2]*Side { return [2]*Side{&c.A, &c.B} }

// Sweep reports whether rates were swept.
func (c *Comparison) Sweep() bool { return c.A.Knee != nil || c.B.Knee != nil }

// Row returns the row of a metric, or nil.
func (c *Comparison) Row(slug string) *Row {
	for i := range c.Rows {
		if c.Rows[i].Metric.Slug == slug {
			return &c.Rows[i]
		}
	}
	return nil
}

// Reason is why trials are not ok.
type Reason struct {
	Status record.Status
	Text   string
	Trials []string // ids
}

// Measured is the number of trials that are ok.
func (c *Comparison) Measured() int { return c.Statuses[record.OK] }

// half is the parameters in which the sides of a configuration may differ.
type half struct {
	transport       vocab.Transport
	policy          vocab.Policy
	ring, ringTotal int
	axes            record.Cell // only the axes of a side
}

// configuration is the parameters that must be equal for trials to be compared: all
// except those of a side, and the place of the trial.
type config struct {
	want, sha256, plan, scenario string
	backend, accel               string
	clock, version, objects      string
	cpus, number                 int
	memoryBytes                  int64
	cell                         record.Cell
	a, b                         half
}

func halfOf(c *record.Cell) half {
	h := half{transport: c.Transport, policy: c.Policy, ring: c.RingBytes, ringTotal: c.RingBytesTotal}
	for _, x := range axis.All() {
		if x.Side {
			x.Set(&h.axes, x.Get(c))
		}
	}
	return h
}

// configOf leaves the halves empty.
func configOf(t *record.Trial) config {
	s := config{
		want: t.Kernel.Want, sha256: t.Kernel.SHA256, plan: t.Trial.Plan, scenario: t.Trial.Scenario, number: t.Trial.Configuration,
		backend: t.Machine.Backend, accel: t.Machine.Accel, clock: t.Machine.Clock, version: t.Machine.Version,
		objects: t.Objects(), cpus: t.Machine.CPUs, memoryBytes: t.Machine.MemoryBytes, cell: t.Cell,
	}
	v := variant{cell: s.cell}
	freeSide(&v)
	s.cell = v.cell
	if t.Trial.Step > 0 {
		s.cell.RateHz = 0 // each side chooses it
	}
	if t.Status != record.OK {
		s.cell.Attach = "" // unknown before a kernel was probed
	}
	return s
}

// isB reports whether a trial is of side B. In records without a side, A is the perf
// buffer.
func isB(t *record.Trial) bool {
	if t.Trial.Side == "" {
		return t.Cell.Transport != vocab.Perf
	}
	return t.Trial.Side == "B"
}

// grouper finds the configuration that each trial belongs to.
type grouper struct {
	attached map[config]config           // without the attach point, to with it
	halves   map[runConfiguration]config // with nothing but halves
	whole    map[config][]config         // the halves of those of which both are known
	objects  map[config]string           // without objects and attach point, to the one that is known
}

// runConfiguration is a configuration in one run: another run may have other sides by the same
// number.
type runConfiguration struct {
	run    string
	config config
}

func bare(s config) config {
	s.cell.Attach = ""
	return s
}

func newGrouper(trials []record.Trial) *grouper {
	g := &grouper{attached: map[config]config{}, halves: map[runConfiguration]config{}, whole: map[config][]config{}, objects: onlyObjects(trials)}
	for i := range trials {
		t := &trials[i]
		s := g.configOf(t)
		if t.Status == record.OK {
			g.attached[bare(s)] = s
		}
		at := runConfiguration{t.Trial.Run, bare(s)}
		h := g.halves[at]
		c := halfOf(&t.Cell)
		if isB(t) {
			h.b = c
		} else {
			h.a = c
		}
		g.halves[at] = h
	}
	for at, h := range g.halves {
		if h.a != (half{}) && h.b != (half{}) {
			g.whole[at.config] = append(g.whole[at.config], h)
		}
	}
	return g
}

// onlyObjects returns the BPF objects of each configuration, if all trials that record
// them agree.
func onlyObjects(trials []record.Trial) map[config]string {
	all := map[config]string{}
	for i := range trials {
		s := bare(configOf(&trials[i]))
		objects := s.objects
		if s.objects = ""; objects == "" {
			continue
		}
		if known, ok := all[s]; ok && known != objects {
			objects = "" // several: unknown which
		}
		all[s] = objects
	}
	return all
}

// configOf gives a trial without recorded objects those of all others.
func (g *grouper) configOf(t *record.Trial) config {
	s := configOf(t)
	if s.objects == "" {
		s.objects = g.objects[bare(s)]
	}
	return s
}

func (g *grouper) key(t *record.Trial) config {
	s := g.configOf(t)
	h := g.halves[runConfiguration{t.Trial.Run, bare(s)}]
	for _, other := range g.whole[bare(s)] { // a run with only one side
		if h.a == (half{}) && h.b == other.b || h.b == (half{}) && h.a == other.a {
			h = other
			break
		}
	}
	if known, ok := g.attached[s]; ok && t.Status != record.OK {
		s = known // it failed where others did not
	}
	s.a, s.b = h.a, h.b
	return s
}

// Compare groups trials by kernel, machine, plan and configuration, and compares side A
// of each with side B. Kernels and plans are in order of appearance, and configurations
// in that of the plan.
func Compare(trials []record.Trial) []Comparison {
	var order []config
	groups := map[config][]*record.Trial{}
	grouper := newGrouper(trials)
	for i := range trials {
		key := grouper.key(&trials[i])
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], &trials[i])
	}
	inPlanOrder(order)
	comparisons := make([]Comparison, len(order))
	each(len(order), func(i int) { comparisons[i] = compareConfiguration(groups[order[i]]) })
	addMissing(comparisons, order, groups)
	return comparisons
}

// inPlanOrder sorts the configurations of each plan on each kernel: machines that run side by
// side measure them in turns.
func inPlanOrder(order []config) {
	type job struct{ kernel, plan string }
	first := map[job]int{}
	for i, s := range order {
		if at := (job{s.want, s.plan}); first[at] == 0 {
			first[at] = i + 1
		}
	}
	slices.SortStableFunc(order, func(a, b config) int {
		return cmp.Or(cmp.Compare(first[job{a.want, a.plan}], first[job{b.want, b.plan}]), cmp.Compare(a.number, b.number))
	})
}

func compareConfiguration(trials []*record.Trial) Comparison {
	var a, b []*record.Trial
	for _, t := range trials {
		if isB(t) {
			b = append(b, t)
		} else {
			a = append(a, t)
		}
	}
	return compareSides(a, b, sameBlocks, [2]string{})
}

// compareSides compares trials of two sides. Without names, the sides are named after their
// cells.
func compareSides(a, b []*record.Trial, blocks func(a, b []*record.Trial) []blockPair, names [2]string) Comparison {
	c := Comparison{Planned: len(a) + len(b), Statuses: map[record.Status]int{}}
	var ok [2][]*record.Trial
	for i, trials := range [][]*record.Trial{a, b} {
		side := c.Sides()[i]
		for _, t := range trials {
			c.add(t)
			side.Cell = t.Cell
			if t.Status == record.OK {
				ok[i] = append(ok[i], t)
			}
		}
		side.Total = total(ok[i])
		side.Knee = kneeOf(ok[i])
		side.trials = ok[i]
	}
	c.A.Label, c.B.Label = names[0], names[1]
	if names[0] == "" {
		c.A.Label, c.B.Label = labels(&c.A.Cell, &c.B.Cell)
	}
	if len(ok[0]) > 0 && len(ok[1]) > 0 {
		c.compare(blocks(ok[0], ok[1]))
	}
	return c
}

// compare fills in the rows.
func (c *Comparison) compare(blocks []blockPair) {
	var whole []blockPair
	for _, block := range blocks {
		if len(block.a) > 0 && len(block.b) > 0 {
			whole = append(whole, block)
		}
	}
	if len(whole) == 0 {
		return
	}
	names := [2]string{c.A.Label, c.B.Label}
	if c.Sweep() {
		c.Rows = []Row{compareKnees(whole, names)}
		return
	}
	c.Rows = compareMetrics(whole, names)
}

// add counts a trial.
func (c *Comparison) add(t *record.Trial) {
	c.all = append(c.all, t)
	c.Plan, c.Configuration, c.Scenario, c.Machine = t.Trial.Plan, t.Trial.Configuration, t.Trial.Scenario, t.Machine
	if c.Kernel.Release == "" || t.Kernel.Release != "" {
		c.Kernel = t.Kernel
	}
	c.Objects = cmp.Or(t.Objects(), c.Objects)
	c.Statuses[t.Status]++
	if t.Status != record.OK {
		c.AddReason(Reason{Status: t.Status, Text: t.Reason, Trials: []string{t.ID}})
		return
	}
	if c.Invariants == 0 || len(t.Ledger) < c.Invariants {
		c.Invariants = len(t.Ledger)
	}
}

// labels are the names of the sides, in a word.
func labels(a, b *record.Cell) (string, string) {
	switch {
	case a.Transport != b.Transport:
		return string(a.Transport), string(b.Transport)
	case a.Policy != b.Policy:
		return a.Configuration(), b.Configuration()
	case sideText(a) != sideText(b):
		return a.Configuration() + sideText(a), b.Configuration() + sideText(b)
	case a.RingBytes != b.RingBytes:
		return fmt.Sprintf("%s, rings of %d", a.Configuration(), a.RingBytes), fmt.Sprintf("%s, rings of %d", b.Configuration(), b.RingBytes)
	}
	return "A", "B"
}

// sideText lists a side's values of the axes that belong to a side.
func sideText(c *record.Cell) string {
	text := ""
	for _, x := range axis.All() {
		if x.Side && x.Phrase != nil {
			text += x.Phrase(c, func(unit string, n float64) string { return fmt.Sprintf("%g %s", n, unit) })
		}
	}
	return text
}

// addMissing counts the planned trials without a record, as of a killed run. They are
// added to the kernel's last configuration with any, since records do not show their
// configuration.
func addMissing(comparisons []Comparison, order []config, groups map[config][]*record.Trial) {
	type job struct{ run, kernel, plan, clock string }
	type count struct{ wanted, have, last int }
	counts := map[job]*count{}
	for i, key := range order {
		for _, t := range groups[key] {
			at := job{t.Trial.Run, t.Kernel.Want, t.Trial.Plan, t.Machine.Clock}
			if counts[at] == nil {
				counts[at] = &count{}
			}
			n := counts[at]
			n.wanted, n.last = max(n.wanted, t.Trial.Trials), i
			n.have++
		}
	}
	for _, n := range counts {
		comparisons[n.last].Planned += max(0, n.wanted-n.have)
	}
}

// AddReason adds trials that are not ok, to those with the same reason.
func (c *Comparison) AddReason(r Reason) {
	for i := range c.Reasons {
		if c.Reasons[i].Status == r.Status && c.Reasons[i].Text == r.Text {
			c.Reasons[i].Trials = append(c.Reasons[i].Trials, r.Trials...)
			return
		}
	}
	r.Trials = slices.Clone(r.Trials)
	c.Reasons = append(c.Reasons, r)
}

func total(trials []*record.Trial) Total {
	t := Total{Trials: len(trials), Failed: map[string]uint64{}}
	for _, trial := range trials {
		if trial.Counts == nil {
			continue
		}
		t.Emitted += emitted(trial)
		t.Misses += skipped(trial)
		t.Delivered += trial.Counts.Delivered
		t.Residual += trial.Counts.Residual
		t.LostTail += trial.Counts.LostTail
		for errno, n := range trial.Counts.Failed {
			t.Failed[errno] += n
		}
		for errno, cpus := range trial.Counts.FailedCPUs {
			if t.FailedCPUs == nil {
				t.FailedCPUs = map[string][]int{}
			}
			all := slices.Concat(t.FailedCPUs[errno], cpus)
			slices.Sort(all)
			t.FailedCPUs[errno] = slices.Compact(all)
		}
	}
	return t
}

func values(m Metric, trials []*record.Trial) []float64 {
	v := make([]float64, 0, len(trials))
	for _, t := range trials {
		if x := m.Of(t); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}
