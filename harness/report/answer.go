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

// said is an answer as text.
type said struct {
	Use     string   // what to use
	Reasons []string // why, by how much, and what would change it
	Open    []string // undecided comparisons, the reasons, and what would decide them
}

// text is the whole answer in one line.
func (s *said) text() string {
	return strings.Join(append([]string{s.Use}, capitals(slices.Concat(s.Reasons, s.Open))...), ". ") + "."
}

// capitals capitalizes the first letter of each sentence.
func capitals(sentences []string) []string {
	var all []string
	for _, text := range sentences {
		all = append(all, strings.ToUpper(text[:1])+text[1:])
	}
	return all
}

// say formats an answer as text.
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
	case len(won) == 0 && !costsKnown(a):
		s.Use = "no difference that matters in what was delivered. What it costs was not measured"
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
	s.Reasons = append(s.Reasons, causesOf(a)...)
	return s
}

// costsKnown reports whether any figure is of more than what was delivered, and of the rings'
// memory, which is configured.
func costsKnown(a *verdict.Answer) bool {
	for i := range a.Cases {
		for _, r := range a.Cases[i].Rows {
			if !r.Metric.Counts && r.Metric.Slug != memorySlug {
				return true
			}
		}
	}
	return false
}

// byWinner groups the cases by winner, in their order.
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

// caseName names a comparison among those of a kernel.
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

// nameAmong adds the clock to the name where the outcome differs from that by the host's
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

// outcome is the winner and the losses, as a reader sees them.
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

// sideName is a name that distinguishes a side from the other.
func sideName(c *verdict.Case, s *verdict.Side) string {
	if s.Cell.Agent != "" {
		return agentName(s.Cell.Agent)
	}
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

// gather finds the metrics that the sides selected by of win, the most important first.
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

// advantages describes the metrics in which the winners are better, and by how much, over
// all cases.
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

// against describes the metrics in which the losers are better.
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

// text describes the factor, with the figures of the clearest case.
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

// factor formats a factor with its significant digits.
func factor(x float64) string {
	if x < 1.995 {
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// prose formats a figure for a sentence, where a plain number needs no decimals.
func prose(unit string, x float64) string {
	if unit == "1" && x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return value(unit, x)
}

// figures formats the figures of the better side and of the other.
func figures(r *verdict.Row) (best, worst float64) {
	if (r.A < r.B) == (r.Metric.Better == verdict.Lower) {
		return r.A, r.B
	}
	return r.B, r.A
}

// choiceOfPolicy names the policies with the lowest latency and the lowest cost, among
// the winners under the same kind of load.
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

// delivery describes the delivery of events if neither side lost any, and whether memory
// differs.
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

// skippedShare is the smallest share of skipped program runs that is reported.
const skippedShare = 0.01

// skippedRuns reports where the kernel skipped runs of the program: events that no
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
