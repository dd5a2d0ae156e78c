// Package verdict compares the trials of the two transports: for each metric
// the median of either, and their ratio paired by block.
//
// It computes and shows nothing. Only trials whose ledger balances enter a
// figure; the others are counted by status.
package verdict

import (
	"cmp"
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
}

// Metrics are all that are compared, in the order in which they are shown.
func Metrics() []Metric {
	latency := func(of func(*record.Latency) int64) func(*record.Trial) float64 {
		return func(t *record.Trial) float64 { return float64(of(t.Latency)) }
	}
	return []Metric{
		{Name: "latency p50", Unit: "ns", Better: Lower, Clock: true, Of: latency(func(l *record.Latency) int64 { return l.P50 })},
		{Name: "latency p99", Unit: "ns", Better: Lower, Clock: true, Of: latency(func(l *record.Latency) int64 { return l.P99 })},
		{Name: "latency max", Unit: "ns", Better: Lower, Clock: true, Of: latency(func(l *record.Latency) int64 { return l.Max })},
		{Name: "producer, per event", Unit: "ns", Better: Lower, Clock: true, Of: func(t *record.Trial) float64 { return t.Cost.ProducerNSPerEvent }},
		{Name: "consumer CPU, per event", Unit: "ns", Better: Lower, Clock: true, Of: func(t *record.Trial) float64 { return t.Cost.ConsumerCPUNSPerEvent }},
		{Name: "wake-ups, per event", Unit: "1", Better: Lower, Of: wakeupsPerEvent},
		{Name: "memory of the rings", Unit: "bytes", Better: Lower, Of: func(t *record.Trial) float64 { return float64(t.Memory.LockedBytes + t.Memory.MapBytes) }},
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
	// medians in each; Low and High are the lowest and the highest block.
	// All are NaN where a block has a figure of 0.
	Ratio, Low, High float64
	Blocks           int
}

// Comparison is what is known of one plan on one kernel.
type Comparison struct {
	Plan    string
	Kernel  record.Kernel
	Machine record.Machine
	Perf    record.Cell
	Ringbuf record.Cell

	Planned  int // trials
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

// Compare groups trials by kernel and plan, in the order in which they come.
func Compare(trials []record.Trial) []Comparison {
	var order [][3]string
	groups := map[[3]string][]*record.Trial{}
	for i := range trials {
		key := [3]string{trials[i].Kernel.Want, trials[i].Kernel.SHA256, trials[i].Trial.Plan}
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
	c := Comparison{Planned: len(trials), Statuses: map[record.Status]int{}}
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
		for _, m := range Metrics() {
			c.Rows = append(c.Rows, compareMetric(m, perf, ringbuf))
		}
	}
	return c
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

func compareMetric(m Metric, perf, ringbuf []*record.Trial) Row {
	row := Row{Metric: m, Perf: median(values(m, perf)), Ringbuf: median(values(m, ringbuf))}
	var logs []float64
	for _, block := range blocks(perf) {
		in := func(t *record.Trial) bool { return t.Trial.Block == block }
		a, b := median(values(m, filter(perf, in))), median(values(m, filter(ringbuf, in)))
		if a > 0 && b > 0 {
			logs = append(logs, math.Log(b/a))
		}
	}
	row.Blocks = len(logs)
	row.Ratio, row.Low, row.High = math.NaN(), math.NaN(), math.NaN()
	if len(logs) > 0 {
		row.Ratio = math.Exp(median(logs))
		row.Low, row.High = math.Exp(slices.Min(logs)), math.Exp(slices.Max(logs))
	}
	return row
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

// blocks returns the numbers of the blocks, in order.
func blocks(trials []*record.Trial) []int {
	var numbers []int
	for _, t := range trials {
		numbers = append(numbers, t.Trial.Block)
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// median of an even number of values is the mean of the two in the middle, and
// of none NaN.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Clone(v)
	slices.SortFunc(v, cmp.Compare[float64])
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
