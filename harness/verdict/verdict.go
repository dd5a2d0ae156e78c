// Package verdict compares trials of two sides, A and B: for each metric the median
// of either, and their ratio paired by block.
//
// It computes and shows nothing. Only trials whose ledger balances enter a
// figure; the others are counted by status.
package verdict

import (
	"math"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Total is what became of the events of one transport, over all trials.
type Total struct {
	Trials                                 int
	Emitted, Delivered, Residual, LostTail uint64
	Failed                                 map[string]uint64 // by errno
	// Misses are programs whose event the kernel never asked for: it skipped
	// the run of the twin.
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

// Row compares one metric.
type Row struct {
	Metric Metric
	A, B   float64 // medians over trials
	// Ratio is B to A, the median over blocks of the ratio of the
	// medians in each. Low and High are the ends of its 95 % interval, or where
	// Interval is false the lowest and the highest block. All are NaN where a
	// block has a figure of 0. A block in which only one transport was measured
	// is left out.
	Ratio, Low, High float64
	Interval         bool
	Blocks           int // that the ratio is of
	// P is the exact probability of such a ratio without a difference, adjusted
	// by Holm for the metrics of the comparison; NaN where there is no interval.
	P float64
	// Floor is how far from 1 the ratio of a transport to itself is, or may be:
	// its first trial of a block against its second. NaN where it is not known.
	Floor   float64
	Verdict Verdict
	// More is how many blocks in all may decide what is inconclusive, and MoreTime
	// how long that many take; 0: it cannot be said.
	More     int
	MoreTime time.Duration
}

// Comparison is what is known of one set-up on one kernel.
type Comparison struct {
	Plan    string
	Kernel  record.Kernel
	Machine record.Machine
	// Setup and Scenario are those of the plan; LabelA and LabelB name the sides.
	Setup          int
	Scenario       string
	LabelA, LabelB string
	A, B           record.Cell

	Planned  int // trials, those that left no record included
	Statuses map[record.Status]int
	// Reasons are those of the trials that are not ok, without repetition.
	Reasons []Reason

	// Invariants is how many lines the ledger of a trial has, at least. In a
	// trial that is ok they all hold.
	Invariants int

	TotalA, TotalB Total
	KneeA, KneeB   *Knee // nil without a sweep
	Rows           []Row // empty unless both sides have trials; without what neither has
	// BlockTime is how long a block takes; 0: unknown.
	BlockTime time.Duration

	trialsA, trialsB []*record.Trial
}

// Reason is why trials are not ok.
type Reason struct {
	Status record.Status
	Text   string
	Trials []string // ids
}

// Measured is the number of trials that are ok.
func (c *Comparison) Measured() int { return c.Statuses[record.OK] }

// Row is that of a metric, or nil.
func (c *Comparison) Row(slug string) *Row {
	for i := range c.Rows {
		if c.Rows[i].Metric.Slug == slug {
			return &c.Rows[i]
		}
	}
	return nil
}

// setup is what must be equal for trials to be compared: all but the transport
// and what belongs to it, and which trial it is.
type setup struct {
	want, sha256, plan string
	backend, accel     string
	clock, version     string
	cpus               int
	memoryBytes        int64
	number             int
	scenario           string
	cell               record.Cell
}

func setupOf(t *record.Trial) setup {
	s := setup{
		want: t.Kernel.Want, sha256: t.Kernel.SHA256, plan: t.Trial.Plan,
		backend: t.Machine.Backend, accel: t.Machine.Accel, clock: t.Machine.Clock, version: t.Machine.Version,
		cpus: t.Machine.CPUs, memoryBytes: t.Machine.MemoryBytes, cell: t.Cell,
		number: t.Trial.Setup, scenario: t.Trial.Scenario,
	}
	s.cell.Transport, s.cell.Policy, s.cell.RingBytes, s.cell.RingBytesTotal = "", "", 0, 0
	if t.Trial.Step > 0 {
		s.cell.RateHz = 0 // each side chose its own
	}
	if t.Status != record.OK {
		s.cell.Attach = "" // which is not known before a kernel was probed
	}
	return s
}

// Compare groups trials by kernel, machine and set-up, in the order in which
// they come.
func Compare(trials []record.Trial) []Comparison {
	var order []setup
	groups := map[setup][]*record.Trial{}
	attached := map[setup]setup{} // without the attach point, to with it
	for i := range trials {
		key := setupOf(&trials[i])
		bare := key
		bare.cell.Attach = ""
		if trials[i].Status == record.OK {
			attached[bare] = key
		}
	}
	for i := range trials {
		key := setupOf(&trials[i])
		if known, ok := attached[key]; ok && trials[i].Status != record.OK {
			key = known // it failed where others did not
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], &trials[i])
	}
	comparisons := make([]Comparison, 0, len(order))
	for _, key := range order {
		comparisons = append(comparisons, compareSetup(groups[key]))
	}
	addMissing(comparisons, trials)
	return comparisons
}

func compareSetup(trials []*record.Trial) Comparison {
	c := Comparison{Planned: len(trials), Statuses: map[record.Status]int{}}
	var a, b []*record.Trial
	for _, t := range trials {
		c.Plan, c.Kernel, c.Machine = t.Trial.Plan, t.Kernel, t.Machine
		c.Setup, c.Scenario = t.Trial.Setup, t.Trial.Scenario
		c.Statuses[t.Status]++
		cell, side := &c.A, &a
		if t.Trial.Side == "B" {
			cell, side = &c.B, &b
		}
		*cell = t.Cell
		if t.Status != record.OK {
			c.addReason(t)
			continue
		}
		*side = append(*side, t)
	}
	c.LabelA, c.LabelB = labels(&c.A, &c.B)
	c.fill(a, b)
	return c
}

// labels name two cells by what they differ in: their transports, or else their
// policies, or else nothing.
func labels(a, b *record.Cell) (string, string) {
	switch {
	case a.Transport != b.Transport:
		return a.Transport, b.Transport
	case a.Policy != b.Policy:
		return a.Transport + "/" + a.Policy, b.Transport + "/" + b.Policy
	}
	return a.Transport + " A", b.Transport + " B"
}

// fill compares the trials that are ok.
func (c *Comparison) fill(a, b []*record.Trial) {
	c.trialsA, c.trialsB = a, b
	for _, t := range slices.Concat(a, b) {
		if c.Invariants == 0 || len(t.Ledger) < c.Invariants {
			c.Invariants = len(t.Ledger)
		}
	}
	c.TotalA, c.TotalB = total(a), total(b)
	c.KneeA, c.KneeB = kneeOf(a), kneeOf(b)
	c.BlockTime = blockTime(slices.Concat(a, b))
	if len(a) == 0 || len(b) == 0 {
		return
	}
	c.Rows = compareMetrics(a, b)
	for i := range c.Rows {
		r := &c.Rows[i]
		r.MoreTime = time.Duration(max(r.More-r.Blocks, 0)) * c.BlockTime
	}
}

// Trials are those of either side that are ok.
func (c *Comparison) Trials() (a, b []*record.Trial) { return c.trialsA, c.trialsB }

// blockTime is the median over blocks of the time from the first trial's start to
// the end of the last, as the host saw it.
func blockTime(trials []*record.Trial) time.Duration {
	type span struct{ from, to time.Time }
	spans := map[block]*span{}
	for _, t := range trials {
		at, err := time.Parse(time.RFC3339Nano, t.Trial.Started)
		if err != nil || t.Rate == nil {
			return 0
		}
		end := at.Add(time.Duration(t.Rate.DurationNS))
		s := spans[blockOf(t)]
		if s == nil {
			s = &span{at, end}
			spans[blockOf(t)] = s
		}
		if at.Before(s.from) {
			s.from = at
		}
		if end.After(s.to) {
			s.to = end
		}
	}
	var took []float64
	for _, s := range spans {
		took = append(took, float64(s.to.Sub(s.from)))
	}
	if len(took) == 0 {
		return 0
	}
	return time.Duration(median(took))
}

// addMissing counts what a plan wanted and no record is of: a run that was killed
// leaves fewer. It counts for the last set-up of the run on that kernel.
func addMissing(comparisons []Comparison, trials []record.Trial) {
	type onKernel struct{ run, plan, want, sha256 string }
	of := func(t *record.Trial) onKernel {
		return onKernel{t.Trial.Run, t.Trial.Plan, t.Kernel.Want, t.Kernel.SHA256}
	}
	wanted, have := map[onKernel]int{}, map[onKernel]int{}
	for i := range trials {
		t := &trials[i]
		wanted[of(t)] = max(wanted[of(t)], t.Trial.Trials)
		have[of(t)]++
	}
	for run, n := range wanted {
		missing := n - have[run]
		for i := len(comparisons) - 1; i >= 0 && missing > 0; i-- {
			c := &comparisons[i]
			if c.Plan == run.plan && c.Kernel.Want == run.want && c.Kernel.SHA256 == run.sha256 {
				c.Planned += missing
				missing = 0
			}
		}
	}
}

func (c *Comparison) addReason(t *record.Trial) {
	for i := range c.Reasons {
		if c.Reasons[i].Status == t.Status && c.Reasons[i].Text == t.Reason {
			c.Reasons[i].Trials = append(c.Reasons[i].Trials, t.ID)
			return
		}
	}
	c.Reasons = append(c.Reasons, Reason{Status: t.Status, Text: t.Reason, Trials: []string{t.ID}})
}

func total(trials []*record.Trial) Total {
	t := Total{Trials: len(trials), Failed: map[string]uint64{}}
	for _, trial := range trials {
		batch := uint64(max(trial.Cell.Batch, 1))
		t.Emitted += trial.Counts.Started * batch
		t.Misses += trial.Counts.Misses * batch
		t.Delivered += trial.Counts.Delivered
		t.Residual += trial.Counts.Residual
		t.LostTail += trial.Counts.LostTail
		for errno, n := range trial.Counts.Failed {
			t.Failed[errno] += n
		}
	}
	return t
}

func values(m Metric, trials []*record.Trial) []float64 {
	var v []float64
	for _, t := range trials {
		if x := m.Of(t); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}

// block is one boot of one run.
type block struct {
	run    string
	number int
}

func blockOf(t *record.Trial) block { return block{t.Trial.Run, t.Trial.Block} }
