// SPDX-License-Identifier: MIT

package claims

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// evidence is the trials of a claim on one kernel, by scenario. All are ok.
type evidence map[string][]*record.Trial

// collect returns the trials of these scenarios, or why they decide nothing.
func collect(scenarios []string, trials []*record.Trial) (evidence, string) {
	e := evidence{}
	for _, t := range trials {
		if !slices.Contains(scenarios, t.Trial.Scenario) {
			continue
		}
		if t.Status != record.OK {
			return nil, fmt.Sprintf("%s: a trial is %s: %s", t.Trial.Scenario, t.Status, cmp.Or(t.Reason, "no reason is recorded"))
		}
		e[t.Trial.Scenario] = append(e[t.Trial.Scenario], t)
	}
	for _, s := range scenarios {
		if len(e[s]) == 0 {
			return nil, s + ": no trial"
		}
		slices.SortStableFunc(e[s], func(a, b *record.Trial) int {
			return cmp.Or(cmp.Compare(a.Trial.Configuration, b.Trial.Configuration), cmp.Compare(a.Trial.Block, b.Trial.Block), cmp.Compare(a.Trial.Position, b.Trial.Position))
		})
	}
	return e, ""
}

// which selects trials.
type which func(*record.Trial) bool

// side selects those of side A or B.
func side(name string) which { return func(t *record.Trial) bool { return t.Trial.Side == name } }

// configuration selects those of a configuration, as a plan writes it.
func configuration(text string) which {
	return func(t *record.Trial) bool {
		cell := t.Cell
		cell.Content = "" // that of the whole scenario
		return cell.Configuration() == text
	}
}

func transport(kind vocab.Transport) which {
	return func(t *record.Trial) bool { return t.Cell.Transport == kind }
}

func producers(n int) which { return func(t *record.Trial) bool { return t.Cell.Producers == n } }

// trusted are trials whose times are those of a real clock.
func trusted(t *record.Trial) bool {
	return t.Machine.Publishable() && t.Machine.Clock != record.Virtual
}

// virtual are trials whose times are instructions.
func virtual(t *record.Trial) bool { return t.Machine.Clock == record.Virtual }

// figure is a figure of a trial; 0: it has none.
type figure func(*record.Trial) float64

// Figures outside of these limits are none that can have been measured.
const least, most = 1e-9, 1e15

// of is the figure of all selected trials that have it.
func (e evidence) of(scenario string, f figure, wanted ...which) []float64 {
	var all []float64
	for _, t := range e[scenario] {
		if slices.ContainsFunc(wanted, func(w which) bool { return !w(t) }) {
			continue
		}
		if x := f(t); x >= least && x <= most {
			all = append(all, x)
		}
	}
	return all
}

// has reports whether a trial of the scenarios is selected.
func (e evidence) has(w which) bool {
	for _, trials := range e {
		if slices.ContainsFunc(trials, w) {
			return true
		}
	}
	return false
}

// cpus is the largest number of CPUs of a machine.
func (e evidence) cpus() int {
	n := 0
	for _, trials := range e {
		for _, t := range trials {
			n = max(n, t.Machine.CPUs)
		}
	}
	return n
}

// mostWaiting is the largest share of time for which the threads of trials wait for a CPU on
// a quiet machine: on an idle one with two virtual CPUs it is 7 to 15 %.
const mostWaiting = 0.2

// busy is why the times of these scenarios are those of other programs too; empty: they are
// not.
func (e evidence) busy(scenarios ...string) string {
	var waited, lasted float64
	for _, s := range scenarios {
		for _, t := range e[s] {
			if trusted(t) && t.Disturbance != nil && t.Rate != nil {
				waited += float64(t.Disturbance.StealNS) + float64(t.Disturbance.RunDelayNS)
				lasted += float64(t.Rate.DurationNS)
			}
		}
	}
	if share := waited / lasted; lasted > 0 && share > mostWaiting {
		return fmt.Sprintf("the machine was busy: threads waited for a CPU for %.3g %% of the time, want at most %g %%", 100*share, 100*mostWaiting)
	}
	return ""
}

// Figures of trials, in ns, instructions, or events a second.
func readerNS(t *record.Trial) float64 {
	if t.Cost == nil {
		return 0
	}
	return t.Cost.ConsumerCPUNSPerEvent
}

func readerInstructions(t *record.Trial) float64 {
	if t.Cost == nil {
		return 0
	}
	return t.Cost.ConsumerInstructionsPerEvent
}

func programNS(t *record.Trial) float64 {
	if t.Cost == nil {
		return 0
	}
	return t.Cost.ProducerNSPerEvent
}

func programInstructions(t *record.Trial) float64 {
	if t.Cost == nil {
		return 0
	}
	return t.Cost.InstructionsPerEvent
}

func achievedHz(t *record.Trial) float64 {
	if t.Rate == nil {
		return 0
	}
	return t.Rate.AchievedHz
}

func deliveredHz(t *record.Trial) float64 {
	if t.Rate == nil {
		return 0
	}
	return t.Rate.DeliveredHz
}

// loss is what became of the events of several trials.
type loss struct{ tried, lost uint64 }

// losses adds up the selected trials that have counts.
func (e evidence) losses(scenario string, wanted ...which) loss {
	var n loss
	for _, t := range e[scenario] {
		if t.Counts == nil || slices.ContainsFunc(wanted, func(w which) bool { return !w(t) }) {
			continue
		}
		skipped := t.Counts.Misses * uint64(max(t.Cell.Batch, 1))
		tried := t.Counts.Attempts + skipped
		n.tried += tried
		n.lost += min(t.Counts.FailedTotal()+skipped, tried)
	}
	return n
}

// victims adds up the events of producers that do not flood.
func (e evidence) victims(scenario string, w which) loss {
	var n loss
	for _, t := range e[scenario] {
		if t.Victims != nil && w(t) {
			n.tried += t.Victims.Sent
			n.lost += min(t.Victims.Missing, t.Victims.Sent)
		}
	}
	return n
}

func (l loss) share() float64 {
	if l.tried == 0 {
		return 0
	}
	return float64(l.lost) / float64(l.tried)
}

func (l loss) String() string {
	if l.lost == 0 {
		return fmt.Sprintf("0 of %d", l.tried)
	}
	return fmt.Sprintf("%d of %d (%.3g %%)", l.lost, l.tried, 100*l.share())
}
