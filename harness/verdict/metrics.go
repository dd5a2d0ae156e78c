package verdict

import (
	"math"

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
	Slug   string // names it on the command line and in JSON
	Unit   string // ns, bytes, Hz, share (of all events), 1 (a plain number)
	Better Direction
	// Of is NaN where the trial does not have the figure.
	Of func(*record.Trial) float64
	// Clock metrics are times: on an emulated machine's wall clock they compare
	// within one run and mean nothing outside of it.
	Clock bool
	// Exact metrics do not vary: one block decides.
	Exact bool
	// Absolute metrics are compared by their difference, since 0 is a good value
	// of them and has no ratio; Margin is then one of their unit.
	Absolute bool
	// Only is the clock on which the metric is compared; empty: on both.
	Only string
	// Primary metrics are those that a recommendation rests on.
	Primary bool
	// Margin is the relative difference that does not matter to a user.
	Margin float64
	// Events is how many a trial needs for the figure; 0: any number.
	Events int64
}

// beyond is how many events a percentile needs above it. The rank of a percentile
// has a standard deviation of about the square root of that number, so with ten
// its place is known to a third; p99 takes 1000 events, p99.9 10,000.
const beyond = 10

// supported reports whether n events have a percentile q, from 0 to 1.
func supported(n int64, q float64) bool { return n >= needed(q) }

// needed is how many events a percentile takes.
func needed(q float64) int64 { return int64(math.Round(beyond / (1 - q))) }

// Metrics are all that are compared, in the order in which they are shown.
//
// The largest latency of a trial is not among them: one event is no evidence.
func Metrics() []Metric {
	return []Metric{
		{Name: "loss", Slug: "loss", Unit: "share", Better: Lower, Absolute: true, Primary: true, Margin: 0.001, Of: loss},
		percentile("latency p50", "latency_p50", 0.50, 0.10, true, actual, func(l *record.Latency) int64 { return l.P50 }),
		percentile("latency p99", "latency_p99", 0.99, 0.20, true, actual, func(l *record.Latency) int64 { return l.P99 }),
		percentile("latency from intended p50", "latency_intended_p50", 0.50, 0.10, false, intended, func(l *record.Latency) int64 { return l.P50 }),
		percentile("latency from intended p99", "latency_intended_p99", 0.99, 0.20, false, intended, func(l *record.Latency) int64 { return l.P99 }),
		{Name: "latency p99, lost ones too", Slug: "latency_p99_with_lost", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Events: needed(0.99), Of: withLostP99},
		{Name: "producer instructions, per event", Slug: "instructions_per_event", Unit: "1", Better: Lower, Only: record.Virtual, Primary: true, Margin: 0.005,
			Of: cost(func(c *record.Cost) float64 { return c.InstructionsPerEvent })},
		{Name: "consumer instructions, per event", Slug: "consumer_instructions_per_event", Unit: "1", Better: Lower, Only: record.Virtual, Primary: true, Margin: 0.005,
			Of: cost(func(c *record.Cost) float64 { return c.ConsumerInstructionsPerEvent })},
		{Name: "producer, per event", Slug: "producer_ns_per_event", Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Primary: true, Margin: 0.05,
			Of: cost(func(c *record.Cost) float64 { return c.ProducerNSPerEvent })},
		{Name: "producer CPU above control, per event", Slug: "producer_cpu_ns_per_event", Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Margin: 0.05,
			Of: cost(func(c *record.Cost) float64 { return c.ProducerCPUNSPerEvent })},
		{Name: "consumer CPU, per event", Slug: "consumer_cpu_ns_per_event", Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Primary: true, Margin: 0.05,
			Of: cost(func(c *record.Cost) float64 { return c.ConsumerCPUNSPerEvent })},
		{Name: "delivered rate", Slug: "delivered_rate", Unit: "Hz", Better: Higher, Clock: true, Margin: 0.05, Of: deliveredHz},
		{Name: "wake-ups, per event", Slug: "wakeups_per_event", Unit: "1", Better: Lower, Primary: true, Margin: 0.05,
			Of: perDelivered(func(c *record.Cost) int64 { return c.Wakeups })},
		{Name: "context switches, per event", Slug: "context_switches_per_event", Unit: "1", Better: Lower, Margin: 0.05,
			Of: perDelivered(func(c *record.Cost) int64 { return c.ContextSwitches })},
		{Name: "memory of the rings", Slug: "memory_bytes", Unit: "bytes", Better: Lower, Exact: true, Margin: 0.02, Of: memory},
	}
}

// knee is the only metric of a sweep: at each step the sides have rates of their
// own, so nothing else of them can be compared.
func knee() Metric {
	return Metric{Name: "highest rate without loss", Slug: "knee", Unit: "Hz", Better: Higher, Clock: true, Primary: true, Margin: 0.10}
}

// MetricNamed returns the metric with that slug.
func MetricNamed(slug string) (Metric, bool) {
	for _, m := range append(Metrics(), knee()) {
		if m.Slug == slug {
			return m, true
		}
	}
	return Metric{}, false
}

// Slugs are the names of all metrics on the command line.
func Slugs() []string {
	var all []string
	for _, m := range append(Metrics(), knee()) {
		all = append(all, m.Slug)
	}
	return all
}

func actual(t *record.Trial) *record.Latency   { return t.Latency }
func intended(t *record.Trial) *record.Latency { return t.Intended }

func percentile(name, slug string, q, margin float64, primary bool, of func(*record.Trial) *record.Latency, at func(*record.Latency) int64) Metric {
	return Metric{
		Name: name, Slug: slug, Unit: "ns", Better: Lower, Clock: true, Primary: primary, Margin: margin, Events: needed(q),
		Of: func(t *record.Trial) float64 {
			if l := of(t); l != nil && supported(l.N, q) {
				return float64(at(l))
			}
			return math.NaN()
		},
	}
}

// withLostP99 is infinite where more than 1 % of the events were lost.
func withLostP99(t *record.Trial) float64 {
	if t.Latency == nil || t.Latency.WithLost == nil || !supported(t.Latency.WithLost.N, 0.99) {
		return math.NaN()
	}
	if t.Latency.WithLost.P99 == record.Never {
		return math.Inf(1)
	}
	return float64(t.Latency.WithLost.P99)
}

// cost is NaN where there is none: the record leaves out what was not measured.
func cost(of func(*record.Cost) float64) func(*record.Trial) float64 {
	return func(t *record.Trial) float64 {
		if t.Cost == nil || of(t.Cost) == 0 {
			return math.NaN()
		}
		return of(t.Cost)
	}
}

func perDelivered(of func(*record.Cost) int64) func(*record.Trial) float64 {
	return func(t *record.Trial) float64 {
		if t.Cost == nil || t.Counts == nil || t.Counts.Delivered == 0 {
			return math.NaN()
		}
		return float64(of(t.Cost)) / float64(t.Counts.Delivered)
	}
}

// emitted is how many events the workload caused.
func emitted(t *record.Trial) uint64 { return t.Counts.Started * uint64(max(t.Cell.Batch, 1)) }

// lostEvents are those that were refused, and those of triggers whose run of the
// program the kernel skipped.
func lostEvents(t *record.Trial) uint64 {
	return t.Counts.FailedTotal() + t.Counts.Misses*uint64(max(t.Cell.Batch, 1))
}

func loss(t *record.Trial) float64 {
	if t.Counts == nil || t.Counts.Started == 0 {
		return math.NaN()
	}
	return float64(lostEvents(t)) / float64(emitted(t))
}

func deliveredHz(t *record.Trial) float64 {
	if t.Rate == nil || t.Rate.DeliveredHz == 0 {
		return math.NaN()
	}
	return t.Rate.DeliveredHz
}

func memory(t *record.Trial) float64 {
	if t.Memory == nil {
		return math.NaN()
	}
	return float64(t.Memory.LockedBytes + t.Memory.MapBytes)
}
