package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Recommendation is what all set-ups of a kernel on a machine come to.
type Recommendation struct {
	Kernel            record.Kernel
	Machine           record.Machine
	Measured, Planned int // trials
	// Setup is the transport and policy that is better where anything is; empty
	// where nothing is decided, or as much speaks for another.
	Setup string
	// Sentence says it, and why.
	Sentence string
}

// weight is the order in which metrics decide about a set-up: what is lost first,
// then how late the rest is, then what it costs.
var weight = []string{
	"loss", "knee", "latency_p99", "latency_p50", "instructions_per_event", "producer_ns_per_event",
	"consumer_instructions_per_event", "consumer_cpu_ns_per_event", "wakeups_per_event",
}

// decisive is the first decided row by weight, or nil.
func (c *Comparison) decisive() *Row {
	for _, slug := range weight {
		if row := c.Row(slug); row != nil && row.Decided() {
			return row
		}
	}
	return nil
}

// same reports whether all primary metrics are decided and none differs by more
// than its margin.
func (c *Comparison) same() bool {
	n := 0
	for i := range c.Rows {
		switch r := &c.Rows[i]; {
		case !r.Metric.Primary || math.IsNaN(r.A) && math.IsNaN(r.B):
		case r.Verdict == Equivalent || r.Verdict == Trivial:
			n++
		default:
			return false
		}
	}
	return n > 0
}

// Recommend gives one recommendation a kernel and machine, in the order of the
// comparisons. In each set-up the first metric that is decided, by weight, gives
// the winner; recommended is who wins in most of the set-ups that it is in, and in
// more than it loses.
func Recommend(comparisons []Comparison) []Recommendation {
	type place struct {
		want, sha256, accel, clock, backend, version string
	}
	var order []place
	groups := map[place][]*Comparison{}
	for i := range comparisons {
		c := &comparisons[i]
		at := place{c.Kernel.Want, c.Kernel.SHA256, c.Machine.Accel, c.Machine.Clock, c.Machine.Backend, c.Machine.Version}
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], c)
	}
	all := make([]Recommendation, len(order))
	for i, at := range order {
		all[i] = recommend(groups[at])
	}
	return all
}

// tally is how a transport with its policy did.
type tally struct {
	name         string
	wins, losses []*Comparison
}

func recommend(comparisons []*Comparison) Recommendation {
	r := Recommendation{Kernel: comparisons[0].Kernel, Machine: comparisons[0].Machine}
	byName := map[string]*tally{}
	var tallies []*tally
	of := func(name string) *tally {
		if byName[name] == nil {
			byName[name] = &tally{name: name}
			tallies = append(tallies, byName[name])
		}
		return byName[name]
	}
	var same, open, compared int
	for _, c := range comparisons {
		r.Measured += c.Measured()
		r.Planned += c.Planned
		if len(c.Rows) == 0 {
			continue
		}
		compared++
		row := c.decisive()
		switch {
		case row != nil:
			winner, loser := of(c.A.Setup()), of(c.B.Setup())
			if row.Verdict == BBetter {
				winner, loser = loser, winner
			}
			winner.wins, loser.losses = append(winner.wins, c), append(loser.losses, c)
		case c.same():
			same++
		default:
			open++
		}
	}
	slices.SortStableFunc(tallies, func(a, b *tally) int {
		return len(b.wins) - len(b.losses) - len(a.wins) + len(a.losses)
	})
	switch {
	case compared == 0:
		r.Sentence = "nothing can be said: " + unmeasured(comparisons)
	case len(tallies) == 0 && same == compared:
		r.Sentence = fmt.Sprintf("either will do: no difference that matters in %s", setups(same))
	case len(tallies) == 0:
		r.Sentence = undecided(comparisons, open)
	case len(tallies) > 1 && len(tallies[0].wins) <= len(tallies[0].losses):
		r.Sentence = fmt.Sprintf("it depends: each is better in as many set-ups as it is worse in, of %s that decide", setups(decided(tallies)))
	default:
		r.Setup = tallies[0].name
		r.Sentence = tallies[0].sentence(decided(tallies), same, open)
	}
	return r
}

func decided(tallies []*tally) int {
	n := 0
	for _, t := range tallies {
		n += len(t.wins)
	}
	return n
}

func setups(n int) string {
	if n == 1 {
		return "1 set-up"
	}
	return fmt.Sprintf("%d set-ups", n)
}

// sentence says what speaks for the first of the tallies, by its clearest case.
func (t *tally) sentence(decided, same, open int) string {
	best := slices.MaxFunc(t.wins, func(a, b *Comparison) int {
		x, y := a.decisive(), b.decisive()
		if by := slices.Index(weight, y.Metric.Slug) - slices.Index(weight, x.Metric.Slug); by != 0 {
			return by
		}
		switch dx, dy := x.Metric.size(x.Ratio), y.Metric.size(y.Ratio); {
		case dx < dy:
			return -1
		case dx > dy:
			return 1
		}
		return 0
	})
	other := best.A.Setup()
	if other == t.name {
		other = best.B.Setup()
	}
	text := fmt.Sprintf("%s: better in %d of %s that decide, most clearly against %s by %s", t.name, len(t.wins), setups(decided), other, best.evidence())
	if dear := best.opposite(); dear != nil {
		text += fmt.Sprintf(" (but %s, %s)", dear.Metric.Name, times(dear))
	}
	if len(t.losses) > 0 {
		row := t.losses[0].decisive()
		text += fmt.Sprintf("; worse in %d, as by %s", len(t.losses), strings.ToLower(row.Metric.Name))
	}
	if same > 0 {
		text += fmt.Sprintf("; %d without a difference that matters", same)
	}
	if open > 0 {
		text += fmt.Sprintf("; %d not decided yet", open)
	}
	return text
}

// opposite is the primary metric in which the loser is the most better, or nil.
func (c *Comparison) opposite() *Row {
	var most *Row
	won := c.decisive()
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Metric.Primary && !r.Metric.Absolute && r.Decided() && r.Verdict != won.Verdict && (most == nil || r.Metric.size(r.Ratio) > most.Metric.size(most.Ratio)) {
			most = r
		}
	}
	return most
}

// times is how many times as much the worse side takes.
func times(r *Row) string {
	return fmt.Sprintf("%.3g times as much", math.Exp(r.Metric.size(r.Ratio)))
}

// evidence is the decisive row in words.
func (c *Comparison) evidence() string {
	r := c.decisive()
	where := ""
	if c.Scenario != "" {
		where = " in " + c.Scenario
	}
	if r.Metric.Absolute {
		return fmt.Sprintf("%s, %.3g %% against %.3g %%%s", r.Metric.Name, 100*min(r.A, r.B), 100*max(r.A, r.B), where)
	}
	low, ratio, high := r.Low, r.Ratio, r.High
	if r.Verdict == ABetter {
		low, ratio, high = 1/high, 1/ratio, 1/low
	}
	if low == high {
		return fmt.Sprintf("%s, %.3g times as much%s", r.Metric.Name, ratio, where)
	}
	return fmt.Sprintf("%s, %.3g times as much [%.3g, %.3g]%s", r.Metric.Name, ratio, low, high, where)
}

// undecided says what would decide.
func undecided(comparisons []*Comparison, open int) string {
	more, least := 0, math.MaxInt
	var took time.Duration
	for _, c := range comparisons {
		for i := range c.Rows {
			if r := &c.Rows[i]; r.Metric.Primary && r.More > r.Blocks {
				more++
				if n := r.More - r.Blocks; n < least {
					least, took = n, r.MoreTime
				}
			}
		}
	}
	text := fmt.Sprintf("nothing is decided yet in %s", setups(open))
	if more > 0 {
		text += fmt.Sprintf("; %d more blocks may decide the first of it", least)
		if took > 0 {
			text += fmt.Sprintf(", in %.0f min a set-up", math.Ceil(took.Minutes()))
		}
	}
	return text
}

func unmeasured(comparisons []*Comparison) string {
	var all []string
	for _, c := range comparisons {
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
