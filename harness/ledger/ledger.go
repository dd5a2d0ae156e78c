// SPDX-License-Identifier: MIT

// Package ledger checks the counts of a trial against the invariants that both transports
// guarantee. A violation is a bug of the harness or of the kernel, and never noise.
//
// It reads only a record, so that a result file can be checked again anywhere. It is a
// pure function.
package ledger

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// rule is one invariant: both sides must be equal.
type rule struct {
	name        string
	only        func(*record.Cell) bool // nil: always
	left, right func(*record.Counts, *record.Cell) uint64
}

// Conditions of rules.
func reportsLoss(cell *record.Cell) bool  { return cell.Transport.Spec().Family.ReportsLoss }
func hasPositions(cell *record.Cell) bool { return cell.Transport.Spec().Family.HasPositions }
func execve(cell *record.Cell) bool       { return cell.Workload == vocab.Execve }
func stages(cell *record.Cell) bool       { return cell.Transport.Spec().Family.Stages }
func overwrites(cell *record.Cell) bool   { return cell.Transport.Spec().Family.Overwrites }
func sized(cell *record.Cell) bool        { return cell.Sizes != "" }
func totals(cell *record.Cell) bool       { return cell.TotalsOnly() }

// all and not combine conditions.
func all(conditions ...func(*record.Cell) bool) func(*record.Cell) bool {
	return func(cell *record.Cell) bool {
		return !slices.ContainsFunc(conditions, func(so func(*record.Cell) bool) bool { return !so(cell) })
	}
}

func not(so func(*record.Cell) bool) func(*record.Cell) bool {
	return func(cell *record.Cell) bool { return !so(cell) }
}

// The terms of the rules.
type term = func(*record.Counts, *record.Cell) uint64

func zero(*record.Counts, *record.Cell) uint64 { return 0 }

func failed(errno string) term {
	return func(c *record.Counts, _ *record.Cell) uint64 { return c.Failed[errno] }
}

// rules are in the order of an event's path.
var rules = slices.Concat(rulesOfTheRings, onlyFull(), rulesOfTheReader)

var rulesOfTheRings = []rule{
	{
		name:  "started = triggers - foreign + misses",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Started + c.Foreign },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Triggers + c.Misses },
	},
	{
		name:  "attempts = (triggers - foreign) x batch",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts },
		right: func(c *record.Counts, cell *record.Cell) uint64 { return (c.Triggers - c.Foreign) * uint64(cell.Batch) },
	},
	{
		name:  "attempts = submitted + failed + discarded",
		only:  not(stages),
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Submitted + c.FailedTotal() + c.Discarded },
	},
	{
		name: "attempts = submitted + failed + discarded + staged",
		only: stages,
		left: func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts },
		right: func(c *record.Counts, _ *record.Cell) uint64 {
			return c.Submitted + c.FailedTotal() + c.Discarded + c.Staged
		},
	},
	{
		name:  "staged = 0 after the flush",
		only:  stages,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Staged },
		right: zero,
	},
	{
		name:  "submitted = delivered + residual",
		only:  not(overwrites),
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Submitted },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Delivered + c.Residual },
	},
	{
		name:  "delivered = the events that fit",
		only:  all(overwrites, not(sized)),
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Delivered },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Fits },
	},
	{
		name:  "missing behind the oldest delivered of a CPU = 0",
		only:  overwrites,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.MissingNewest },
		right: zero,
	},
	{
		name:  "residual = 0 after the drain",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Residual },
		right: zero,
	},
	{
		name:  "consumer position = producer position",
		only:  hasPositions,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.ConsumerBytes },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
	},
	{
		name: "producer position = (submitted + discarded) x footprint",
		only: all(hasPositions, not(sized), not(stages)),
		left: func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
		right: func(c *record.Counts, cell *record.Cell) uint64 {
			footprint := cell.Transport.FootprintBytes(cell.PayloadBytes)
			return (c.Submitted + c.Discarded) * uint64(footprint)
		},
	},
	{
		name:  "producer position = footprints of the delivered",
		only:  all(hasPositions, sized),
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FootprintBytes },
	},
	{
		name: "producer position = submitted x size + records x header",
		only: all(hasPositions, stages),
		left: func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
		right: func(c *record.Counts, cell *record.Cell) uint64 {
			return c.Submitted*uint64(cell.Transport.FootprintBytes(cell.PayloadBytes)) + c.Records*vocab.RecordHeaderBytes
		},
	},
	{
		name:  "failed[ENOSPC] = lost reported + lost tail",
		only:  reportsLoss,
		left:  failed("ENOSPC"),
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.LostReported + c.LostTail },
	},
}

// onlyFull are the rules that an output fails only for the reasons that the transport has
// by design: the ring is full, or the CPU has none. Another errno would be a loss that
// nobody can explain.
func onlyFull() []rule {
	var all []rule
	for _, family := range vocab.Families() {
		errnos := family.Errnos()
		name := "failed = 0"
		if len(errnos) > 0 {
			name = fmt.Sprintf("failed = failed[%s]", strings.Join(errnos, "] + failed["))
		}
		all = append(all, rule{
			name: name,
			only: func(cell *record.Cell) bool { return cell.Transport.Is(family) },
			left: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() },
			right: func(c *record.Counts, _ *record.Cell) uint64 {
				var n uint64
				for _, errno := range errnos {
					n += c.Failed[errno]
				}
				return n
			},
		})
	}
	return all
}

// events restricts rules to trials in which single events are known.
func events(rules ...rule) []rule {
	for i := range rules {
		only := rules[i].only
		if rules[i].only = not(totals); only != nil {
			rules[i].only = all(only, not(totals))
		}
	}
	return rules
}

var rulesOfTheReader = events(
	rule{
		name:  "sequence gaps = failed + discarded",
		only:  not(overwrites),
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.SeqGaps },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() + c.Discarded },
	},
	rule{
		name:  "sequence gaps = failed + discarded + overwritten",
		only:  overwrites,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.SeqGaps },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() + c.Discarded + c.Overwritten },
	},
	rule{
		only:  all(execve, not(overwrites)),
		name:  "missing tokens = failed + discarded + misses",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.MissingTokens },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() + c.Discarded + c.Misses },
	},
	rule{
		only: all(execve, overwrites),
		name: "missing tokens = failed + discarded + misses + overwritten",
		left: func(c *record.Counts, _ *record.Cell) uint64 { return c.MissingTokens },
		right: func(c *record.Counts, _ *record.Cell) uint64 {
			return c.FailedTotal() + c.Discarded + c.Misses + c.Overwritten
		},
	},
	none("duplicates", func(c *record.Counts) uint64 { return c.Duplicates }),
	none("inversions within a CPU", func(c *record.Counts) uint64 { return c.InversionsCPU }),
	none("torn events", func(c *record.Counts) uint64 { return c.Torn }),
	none("misshaped samples", func(c *record.Counts) uint64 { return c.Misshaped }),
	execves(none("unknown tokens", func(c *record.Counts) uint64 { return c.UnknownTokens })),
	execves(none("events that differ from the truth", func(c *record.Counts) uint64 { return c.Mismatched })),
)

func none(name string, of func(*record.Counts) uint64) rule {
	return rule{
		name:  name + " = 0",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return of(c) },
		right: zero,
	}
}

// execves is the rule, for executed programs alone: a call of a storm is nobody.
func execves(r rule) rule {
	r.only = execve
	return r
}

// Check returns every invariant that applies to the cell's transport. Counts
// must not be nil.
func Check(cell *record.Cell, counts *record.Counts) []record.Invariant {
	var lines []record.Invariant
	for _, r := range rules {
		if r.only != nil && !r.only(cell) {
			continue
		}
		left, right := r.left(counts, cell), r.right(counts, cell)
		line := record.Invariant{Invariant: r.name, Holds: left == right, Detail: fmt.Sprint(left)}
		if !line.Holds {
			line.Detail = fmt.Sprintf("%d, not %d", left, right)
		}
		lines = append(lines, line)
	}
	return lines
}

// CheckProfile returns the invariants of a trial's profile: that the instructions of all
// functions together are what the clock says. There is one for each part that has a
// figure.
func CheckProfile(t *record.Trial) []record.Invariant {
	var lines []record.Invariant
	for _, part := range profile.Parts() {
		p := part.Of(t.Profile)
		if p.Per == 0 {
			continue // it has no figure
		}
		var sum int64
		for _, s := range p.Stacks {
			sum += s.Counts[record.Instructions]
		}
		want := int64(math.Round(part.Figure(t.Cost) * float64(p.Per)))
		line := record.Invariant{
			Invariant: "instructions of the " + part.Name + " by function = by the clock",
			Holds:     sum == want, Detail: fmt.Sprint(sum),
		}
		if !line.Holds {
			line.Detail = fmt.Sprintf("%d, not %d", sum, want)
		}
		lines = append(lines, line)
	}
	return lines
}
