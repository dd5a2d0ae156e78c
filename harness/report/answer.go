// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// said is an answer in words.
type said struct {
	Use     string   // what to use
	Reasons []string // why, by how much, and what would change it
	Open    []string // what is not decided, why, and what would decide it
}

// text is all of it in a line.
func (s *said) text() string {
	return strings.Join(append([]string{s.Use}, capitals(slices.Concat(s.Reasons, s.Open))...), ". ") + "."
}

// capitals are the sentences with a capital in front.
func capitals(sentences []string) []string {
	var all []string
	for _, text := range sentences {
		all = append(all, strings.ToUpper(text[:1])+text[1:])
	}
	return all
}

// say puts an answer into words.
func say(a *verdict.Answer) said {
	var s said
	won := a.Won()
	s.Open = open(a)
	by, names := byWinner(won)
	switch {
	case len(a.Cases) == 0:
		s.Use = "nothing can be said: " + unmeasured(a)
		return s
	case len(won) == 0 && len(s.Open) > 0:
		s.Use = "undecided"
	case len(won) == 0:
		s.Use = "either will do: no difference that matters"
	case len(names) > 1:
		var parts []string
		for _, name := range names {
			parts = append(parts, name+" ("+caseNames(by[name], a.Cases)+")")
		}
		s.Use = "it depends: " + strings.Join(parts, ", ")
	default:
		s.Use = names[0]
		if config := a.Configuration(); config != "" && a.Transport() != "" && names[0] == a.Transport().Spec().Title {
			if _, policy, ok := strings.Cut(config, "/"); ok {
				s.Use += ", " + policy
			}
		}
	}
	for _, name := range names {
		subject := ""
		if len(names) > 1 {
			subject = name + ": "
		}
		s.Reasons = append(s.Reasons, advantages(by[name], a.Cases, subject)...)
	}
	s.Reasons = append(s.Reasons, against(won)...)
	if len(names) == 1 && len(won) > 1 && len(s.Open) == 0 {
		s.Reasons = append(s.Reasons, fmt.Sprintf("none of the %d configurations turns that round", len(a.Cases)))
	}
	s.Reasons = append(s.Reasons, choiceOfPolicy(won)...)
	s.Reasons = append(s.Reasons, delivery(a)...)
	s.Reasons = append(s.Reasons, skippedRuns(a)...)
	return s
}

// byWinner are the cases by what wins in them, in their order.
func byWinner(won []verdict.Case) (by map[string][]verdict.Case, names []string) {
	by = map[string][]verdict.Case{}
	for _, c := range won {
		name := sideName(&c, c.Winner)
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], c)
	}
	return by, names
}

// caseName says which of a kernel's comparisons it is.
func caseName(c *verdict.Case) string {
	name := c.Plan
	if c.Scenario != "" {
		name = strings.ReplaceAll(c.Scenario, "-", " ")
	}
	if c.Apart != "" {
		name += " " + c.Apart
	}
	return name
}

// nameAmong names the clock too where the case has another outcome than by the host's
// clock, in machines of another size.
func nameAmong(c *verdict.Case, all []verdict.Case) string {
	name := caseName(c)
	if c.Machine.Clock != record.Virtual {
		return name
	}
	for i := range all {
		other := &all[i]
		if other.Machine.Clock != record.Virtual && caseName(other) == name && outcome(other) != outcome(c) {
			return name + " in virtual time"
		}
	}
	return name
}

// outcome is who is better, and what is lost, as a reader sees it.
func outcome(c *verdict.Case) string {
	text := ""
	if c.Winner != nil {
		text = sideName(c, c.Winner)
	}
	if r := c.Row("loss"); r != nil {
		text += " " + value("share", r.A) + " " + value("share", r.B)
	}
	return text
}

// caseNames has each name once.
func caseNames(cases, among []verdict.Case) string {
	var all []string
	for i := range cases {
		if name := nameAmong(&cases[i], among); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// sideName tells a side from the other.
func sideName(c *verdict.Case, s *verdict.Side) string {
	if c.A.Cell.Transport != c.B.Cell.Transport {
		return s.Cell.Transport.Spec().Title
	}
	return s.Label
}

// evidence are the rows of one metric that one side wins, with their cases.
type evidence struct {
	metric verdict.Metric
	rows   []*verdict.Row
	cases  []verdict.Case
}

// gather finds what the sides that of names win, from the metric that matters most.
func gather(cases []verdict.Case, of func(*verdict.Case) *verdict.Side) []evidence {
	var all []evidence
	for _, m := range verdict.AllMetrics() {
		e := evidence{metric: m}
		for i := range cases {
			c := &cases[i]
			if r := c.Row(m.Slug); r != nil && r.Metric.Primary() && r.Decided() && r.Winner == of(c).Label {
				e.rows, e.cases = append(e.rows, r), append(e.cases, *c)
			}
		}
		if len(e.rows) > 0 {
			all = append(all, e)
		}
	}
	return all
}

func winner(c *verdict.Case) *verdict.Side { return c.Winner }
func loser(c *verdict.Case) *verdict.Side  { return c.Loser }

// advantages say in what the winners are better, and by how much, among all cases.
func advantages(cases, all []verdict.Case, subject string) []string {
	var costs, lost []string
	for _, e := range gather(cases, winner) {
		if e.metric.Absolute {
			for i, r := range e.rows {
				best, worst := figures(r)
				subject := cmp.Or(subject, "it ")
				text := fmt.Sprintf("%sloses %s of the events, the %s %s (%s)", subject, value("share", best), sideName(&e.cases[i], e.cases[i].Loser), value("share", worst), nameAmong(&e.cases[i], all))
				if !slices.Contains(lost, text) {
					lost = append(lost, text)
				}
			}
			continue
		}
		costs = append(costs, e.text())
	}
	if len(costs) > 0 {
		costs = []string{subject + strings.Join(costs, ", ")}
	}
	return append(costs, lost...)
}

// against says in what the losers are better.
func against(won []verdict.Case) []string {
	var all []string
	for _, e := range gather(won, loser) {
		if e.metric.Absolute {
			continue // nothing outweighs a loss
		}
		all = append(all, fmt.Sprintf("But the %s: %s", sideName(&e.cases[0], e.cases[0].Loser), e.text()))
	}
	return all
}

// text says how many times better, with the figures of the clearest case.
func (e *evidence) text() string {
	low, high, clearest := math.Inf(1), 0.0, 0
	for i, r := range e.rows {
		best, worst := figures(r)
		factor := worst / best
		if e.metric.Better == verdict.Higher {
			factor = best / worst
		}
		if low = min(low, factor); factor > high {
			high, clearest = factor, i
		}
	}
	best, worst := figures(e.rows[clearest])
	text := factor(high)
	if factor(low) != factor(high) {
		text = factor(low) + " to " + factor(high)
	}
	text += fmt.Sprintf(" times %s (%s against %s", e.metric.Less, prose(e.metric.Unit, best), prose(e.metric.Unit, worst))
	if e.metric.PerEvent {
		text += " an event"
	}
	if len(e.rows) > 1 {
		text += ", " + caseName(&e.cases[clearest])
	}
	return text + ")"
}

// factor has the digits that matter.
func factor(x float64) string {
	if x < 1.995 {
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// prose is a figure in a sentence, where a plain number needs no digits behind the
// point.
func prose(unit string, x float64) string {
	if unit == "1" && x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return value(unit, x)
}

// figures are those of the better side and of the other.
func figures(r *verdict.Row) (best, worst float64) {
	if (r.A < r.B) == (r.Metric.Better == verdict.Lower) {
		return r.A, r.B
	}
	return r.B, r.A
}

// choiceOfPolicy says which way to wake the reader is soonest and which is cheapest,
// among the winners under the same kind of load.
func choiceOfPolicy(won []verdict.Case) []string {
	var soonest, cheapest *verdict.Case
	late := func(c *verdict.Case) float64 { return c.Figure(c.Winner, "latency_p50") }
	cost := func(c *verdict.Case) float64 { return c.CostOf(c.Winner) }
	for i := range won {
		c := &won[i]
		if math.IsNaN(late(c)) || math.IsNaN(cost(c)) {
			continue
		}
		if soonest != nil && (c.Winner.Cell.Workload != soonest.Winner.Cell.Workload || (c.Winner.Cell.RateHz > 0) != (soonest.Winner.Cell.RateHz > 0)) {
			continue
		}
		if soonest == nil || late(c) < late(soonest) {
			soonest = c
		}
		if cheapest == nil || cost(c) < cost(cheapest) {
			cheapest = c
		}
	}
	if soonest == nil || soonest == cheapest {
		return nil
	}
	spent := func(c *verdict.Case) string {
		if c.Machine.Clock == record.Virtual {
			return prose("1", cost(c)) + " instructions"
		}
		return value("ns", cost(c))
	}
	within := value("ns", late(soonest))
	if soonest.Machine.Clock == record.Virtual {
		within += " of virtual time"
	}
	name := caseName
	if soonest.Winner.Cell.RateHz != cheapest.Winner.Cell.RateHz {
		name = func(c *verdict.Case) string {
			return fmt.Sprintf("%s (at %s)", caseName(c), value("Hz", c.Winner.Cell.RateHz))
		}
	}
	return []string{fmt.Sprintf("soonest: %s, half of the events within %s for %s an event of program and reader; cheapest: %s, %s for %s",
		name(soonest), within, spent(soonest), name(cheapest), value("ns", late(cheapest)), spent(cheapest))}
}

// delivery says what became of the events where neither side lost any, and whether
// memory differs.
func delivery(a *verdict.Answer) []string {
	var whole [2]uint64
	memory := 1.0
	for _, c := range a.Cases {
		for i, s := range c.Sides() {
			if c.A.Total.Lost()+c.B.Total.Lost() == 0 {
				whole[i] += s.Total.Delivered
			}
		}
		if r := c.Row("memory_bytes"); r != nil && r.Decided() {
			best, worst := figures(r)
			memory = max(memory, worst/best)
		}
	}
	var all []string
	if whole[0] > 0 && whole[0] == whole[1] {
		all = append(all, fmt.Sprintf("Where the rings had room both delivered all of %d events", whole[0]))
	}
	if memory > 1 {
		return append(all, fmt.Sprintf("memory differs by up to %s times", factor(memory)))
	}
	return append(all, "memory alike")
}

// skippedShare is the least of the program's runs that, left out, is worth a sentence.
const skippedShare = 0.01

// skippedRuns says where the kernel left out runs of the program: events that no
// transport could have carried.
func skippedRuns(a *verdict.Answer) []string {
	most, where := 0.0, ""
	for i := range a.Cases {
		c := &a.Cases[i]
		for _, s := range c.Sides() {
			if share := float64(s.Total.Misses) / float64(max(s.Total.Emitted, 1)); share > most {
				most, where = share, fmt.Sprintf("%s, %s", caseName(c), sideName(c, s))
			}
		}
	}
	if most < skippedShare {
		return nil
	}
	return []string{fmt.Sprintf("the kernel skipped up to %s of the program's runs (%s): no transport had a part in that", value("share", most), where)}
}

func unmeasured(a *verdict.Answer) string {
	var all []string
	for _, c := range a.Failed {
		for _, reason := range c.Reasons {
			if text := string(reason.Status); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	if len(all) == 0 {
		return "only one side was measured"
	}
	return strings.Join(all, ", ")
}
