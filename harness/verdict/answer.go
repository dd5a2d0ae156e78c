// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Answer is the summary of all configurations of a kernel.
type Answer struct {
	Kernel            record.Kernel
	Measured, Planned int // trials
	// Cases are the comparisons that have figures, and Failed those that have none.
	Cases  []Case
	Failed []*Comparison
}

// Case is a comparison with the side that is better in it.
type Case struct {
	*Comparison
	// Apart distinguishes it from others of its scenario, as "producers=16"; empty
	// without others.
	Apart         string
	Winner, Loser *Side   // nil where neither is
	Score         float64 // how much better, in weighted factors of two; infinite for a loss
}

// Open reports whether more blocks may decide what is undecided by trials of one
// configuration, on machines of one kind.
func Open(trials []record.Trial) bool {
	for _, c := range Compare(trials) {
		if len(c.Undecided()) > 0 {
			return true
		}
	}
	return false
}

// Undecided are the primary rows that more blocks may decide.
func (c *Comparison) Undecided() []*Row {
	var all []*Row
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Metric.Primary() && r.Verdict == Inconclusive {
			all = append(all, r)
		}
	}
	return all
}

// score adds up the decided metrics: positive if B is better. A metric of infinite weight
// decides alone.
func (c *Comparison) score() float64 {
	sum := 0.0
	for i := range c.Rows {
		r := &c.Rows[i]
		if !r.Metric.Primary() || !r.Decided() {
			continue
		}
		sign := 1
		if r.Verdict == ABetter {
			sign = -1
		}
		if math.IsInf(r.Metric.Weight, 0) {
			return math.Inf(sign)
		}
		sum += float64(sign) * r.Metric.Weight * r.Metric.size(r.Ratio) / math.Ln2
	}
	return sum
}

// Answers returns one answer per kernel, in the order of the comparisons. It joins
// results from machines of several kinds, such as virtual time and counts on several
// CPUs.
func Answers(comparisons []Comparison) []Answer {
	type place struct{ want, sha256, accel, backend, version, objects string }
	var order []place
	answers := map[place]*Answer{}
	placeOf := func(c *Comparison) place {
		return place{c.Kernel.Want, c.Kernel.SHA256, c.Machine.Accel, c.Machine.Backend, c.Machine.Version, c.Objects}
	}
	// Virtual time is QEMU's, whatever the backend of other machines.
	others := map[[4]string]place{}
	for i := range comparisons {
		if c := &comparisons[i]; c.Machine.Clock != record.Virtual {
			others[[4]string{c.Kernel.Want, c.Kernel.SHA256, c.Machine.Accel, c.Objects}] = placeOf(c)
		}
	}
	for i := range comparisons {
		c := &comparisons[i]
		at := placeOf(c)
		if other, ok := others[[4]string{at.want, at.sha256, at.accel, at.objects}]; ok && c.Machine.Clock == record.Virtual {
			at = other
		}
		a := answers[at]
		if a == nil {
			a = &Answer{Kernel: c.Kernel}
			answers[at] = a
			order = append(order, at)
		}
		a.add(c)
	}
	all := make([]Answer, len(order))
	for i, at := range order {
		all[i] = *answers[at]
		all[i].tellApart()
	}
	return all
}

// tellApart names the cases of one scenario by their differences, in as few words as
// possible.
func (a *Answer) tellApart() {
	type scenario struct{ plan, name string }
	same := map[scenario][]*Case{}
	for i := range a.Cases {
		c := &a.Cases[i]
		at := scenario{c.Plan, c.Scenario}
		same[at] = append(same[at], c)
	}
	for _, cases := range same {
		if len(cases) > 1 {
			tellApart(cases)
		}
	}
}

// apart are the dimensions that distinguish configurations, the plainest first.
var apart = []string{"producers", "rate", "payload", "ring", "placement", "batch", "workload", "policy", "flush", "stall", "delay", "fault", "attach", "events"}

func tellApart(cases []*Case) {
	all := dimensions()
	for _, name := range apart {
		d := all[slices.IndexFunc(all, func(d dimension) bool { return d.name == name })]
		known := map[string]map[string]bool{} // by their names so far
		for _, c := range cases {
			if known[c.Apart] == nil {
				known[c.Apart] = map[string]bool{}
			}
			known[c.Apart][c.sides(d)] = true
		}
		for _, c := range cases {
			if len(known[c.Apart]) > 1 {
				if c.Apart != "" {
					c.Apart += " "
				}
				c.Apart += name + "=" + c.sides(d)
			}
		}
	}
}

// sides formats the values of the dimension, one if both sides agree.
func (c *Case) sides(d dimension) string {
	a, b := d.of(Input{Trial: c.A.trials[0]}), d.of(Input{Trial: c.B.trials[0]})
	if a == b {
		return a
	}
	return a + ":" + b
}

func (a *Answer) add(c *Comparison) {
	a.Measured += c.Measured()
	a.Planned += c.Planned
	if len(c.Rows) == 0 {
		a.Failed = append(a.Failed, c)
		return
	}
	one := Case{Comparison: c}
	if score := c.score(); score > 0 {
		one.Winner, one.Loser, one.Score = &c.B, &c.A, score
	} else if score < 0 {
		one.Winner, one.Loser, one.Score = &c.A, &c.B, -score
	}
	a.Cases = append(a.Cases, one)
}

// Undecided are the primary rows that more blocks may decide, by case.
func (a *Answer) Undecided() []*Row {
	var all []*Row
	for _, c := range a.Cases {
		all = append(all, c.Undecided()...)
	}
	return all
}

// Won returns the cases with a winner.
func (a *Answer) Won() []Case {
	return slices.DeleteFunc(slices.Clone(a.Cases), func(c Case) bool { return c.Winner == nil })
}

// Transport is the transport that wins every case with a winner; empty if that varies, or
// no case has one.
func (a *Answer) Transport() vocab.Transport {
	return vocab.Transport(a.common(func(s *Side) string { return string(s.Cell.Transport) }))
}

// Configuration is the transport with its policy that wins every case with a winner, or
// empty.
func (a *Answer) Configuration() string { return a.common((*Side).Configuration) }

func (a *Answer) common(of func(*Side) string) string {
	text := ""
	for i, c := range a.Won() {
		if i > 0 && of(c.Winner) != text {
			return ""
		}
		text = of(c.Winner)
	}
	return text
}

// Figure is a side's value of a metric, or NaN.
func (c *Comparison) Figure(s *Side, slug string) float64 {
	r := c.Row(slug)
	switch {
	case r == nil:
		return math.NaN()
	case s == &c.A:
		return r.A
	}
	return r.B
}

// CostOf is a side's cost of an event, producer and reader together: in instructions in
// virtual time, else in ns; NaN if unknown.
func (c *Comparison) CostOf(s *Side) float64 {
	if x := c.Figure(s, "instructions_per_event") + c.Figure(s, "consumer_instructions_per_event"); !math.IsNaN(x) {
		return x
	}
	return c.Figure(s, "producer_ns_per_event") + c.Figure(s, "consumer_cpu_ns_per_event")
}
