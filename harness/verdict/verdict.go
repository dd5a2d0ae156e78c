// Package verdict compares the trials of the two transports: for each metric
// the median of either, and their ratio paired by block.
//
// It computes and shows nothing. Only trials whose ledger balances enter a
// figure; the others are counted by status.
package verdict

import (
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Direction says which way a metric is better.
type Direction string

// The directions.
const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// Metric is one figure of a trial.
type Metric struct {
	Name   string
	Unit   string // ns, bytes, events, 1 (a plain number)
	Better Direction
	Of     func(*record.Trial) float64
	// Clock metrics are wall-clock times: under emulation they compare within
	// one run and mean nothing outside of it.
	Clock bool
	// Exact metrics do not vary: one block decides.
	Exact bool
	// Margin is the relative difference that does not matter to a user.
	Margin float64
}

// Metrics are all that are compared, in the order in which they are shown.
func Metrics() []Metric {
	latency := func(of func(*record.Latency) int64) func(*record.Trial) float64 {
		return func(t *record.Trial) float64 { return float64(of(t.Latency)) }
	}
	return []Metric{
		{Name: "latency p50", Unit: "ns", Better: Lower, Clock: true, Margin: 0.10, Of: latency(func(l *record.Latency) int64 { return l.P50 })},
		{Name: "latency p99", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Of: latency(func(l *record.Latency) int64 { return l.P99 })},
		{Name: "latency max", Unit: "ns", Better: Lower, Clock: true, Margin: 0.50, Of: latency(func(l *record.Latency) int64 { return l.Max })},
		{Name: "producer, per event", Unit: "ns", Better: Lower, Clock: true, Margin: 0.05, Of: func(t *record.Trial) float64 { return t.Cost.ProducerNSPerEvent }},
		{Name: "consumer CPU, per event", Unit: "ns", Better: Lower, Clock: true, Margin: 0.05, Of: func(t *record.Trial) float64 { return t.Cost.ConsumerCPUNSPerEvent }},
		{Name: "wake-ups, per event", Unit: "1", Better: Lower, Margin: 0.05, Of: wakeupsPerEvent},
		{Name: "memory of the rings", Unit: "bytes", Better: Lower, Exact: true, Margin: 0.02, Of: func(t *record.Trial) float64 { return float64(t.Memory.LockedBytes + t.Memory.MapBytes) }},
	}
}

func wakeupsPerEvent(t *record.Trial) float64 {
	if t.Counts.Delivered == 0 {
		return math.NaN()
	}
	return float64(t.Cost.Wakeups) / float64(t.Counts.Delivered)
}

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
	Metric        Metric
	Perf, Ringbuf float64 // medians over trials
	// Ratio is ringbuf to perf, the median over blocks of the ratio of the
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
	// More is how many blocks in all may decide what is inconclusive; 0: it
	// cannot be said.
	More int
}

// Comparison is what is known of one set-up on one kernel.
type Comparison struct {
	Plan    string
	Kernel  record.Kernel
	Machine record.Machine
	Perf    record.Cell
	Ringbuf record.Cell

	Planned  int // trials, those that left no record included
	Statuses map[record.Status]int
	// Reasons are those of the trials that are not ok, without repetition.
	Reasons []Reason

	// Invariants is how many lines the ledger of a trial has, at least. In a
	// trial that is ok they all hold.
	Invariants int

	PerfTotal, RingbufTotal Total
	Rows                    []Row // empty unless both transports have trials
}

// Reason is why trials are not ok.
type Reason struct {
	Status record.Status
	Text   string
	Trials []string // ids
}

// Measured is the number of trials that are ok.
func (c *Comparison) Measured() int { return c.Statuses[record.OK] }

// setup is what must be equal for trials to be compared: all but the transport
// and what belongs to it, and which trial it is.
type setup struct {
	want, sha256, plan string
	backend, accel     string
	clock, version     string
	cpus               int
	memoryBytes        int64
	cell               record.Cell
}

func setupOf(t *record.Trial) setup {
	s := setup{
		want: t.Kernel.Want, sha256: t.Kernel.SHA256, plan: t.Trial.Plan,
		backend: t.Machine.Backend, accel: t.Machine.Accel, clock: t.Machine.Clock, version: t.Machine.Version,
		cpus: t.Machine.CPUs, memoryBytes: t.Machine.MemoryBytes, cell: t.Cell,
	}
	s.cell.Transport, s.cell.Policy, s.cell.RingBytes, s.cell.RingBytesTotal = "", "", 0, 0
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
		comparisons = append(comparisons, compareKernel(groups[key]))
	}
	return comparisons
}

func compareKernel(trials []*record.Trial) Comparison {
	c := Comparison{Planned: planned(trials), Statuses: map[record.Status]int{}}
	byTransport := map[string][]*record.Trial{}
	for _, t := range trials {
		c.Plan, c.Kernel, c.Machine = t.Trial.Plan, t.Kernel, t.Machine
		c.Statuses[t.Status]++
		switch bpf.Transport(t.Cell.Transport) {
		case bpf.Perf:
			c.Perf = t.Cell
		case bpf.Ringbuf:
			c.Ringbuf = t.Cell
		}
		if t.Status != record.OK {
			c.addReason(t)
			continue
		}
		if c.Invariants == 0 || len(t.Ledger) < c.Invariants {
			c.Invariants = len(t.Ledger)
		}
		byTransport[t.Cell.Transport] = append(byTransport[t.Cell.Transport], t)
	}
	perf, ringbuf := byTransport[string(bpf.Perf)], byTransport[string(bpf.Ringbuf)]
	c.PerfTotal, c.RingbufTotal = total(perf), total(ringbuf)
	if len(perf) > 0 && len(ringbuf) > 0 {
		c.Rows = compareMetrics(perf, ringbuf)
	}
	return c
}

// planned is how many trials the plans of all runs wanted: a run that was killed
// leaves fewer records.
func planned(trials []*record.Trial) int {
	wanted, have := map[string]int{}, map[string]int{}
	for _, t := range trials {
		wanted[t.Trial.Run] = max(wanted[t.Trial.Run], t.Trial.Trials)
		have[t.Trial.Run]++
	}
	n := 0
	for run, count := range have {
		n += max(count, wanted[run])
	}
	return n
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
		t.Emitted += trial.Counts.Started
		t.Misses += trial.Counts.Misses
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

func filter(trials []*record.Trial, keep func(*record.Trial) bool) []*record.Trial {
	return slices.DeleteFunc(slices.Clone(trials), func(t *record.Trial) bool { return !keep(t) })
}

// block is one boot of one run.
type block struct {
	run    string
	number int
}

func blockOf(t *record.Trial) block { return block{t.Trial.Run, t.Trial.Block} }

// blocks returns the blocks of all trials, each once.
func blocks(groups ...[]*record.Trial) []block {
	var all []block
	seen := map[block]bool{}
	for _, trials := range groups {
		for _, t := range trials {
			if id := blockOf(t); !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}
