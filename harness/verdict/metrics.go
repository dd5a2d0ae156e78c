package verdict

import (
	"math"
	"slices"

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
	Slug   string // on the command line
	Unit   string // ns, bytes, events, instructions, 1 (a plain number)
	Better Direction
	// Of is NaN where a trial does not have it.
	Of func(*record.Trial) float64
	// Clock metrics are wall-clock times: under emulation they compare within
	// one run and mean nothing outside of it.
	Clock bool
	// Exact metrics do not vary: one block decides.
	Exact bool
	// Margin is the relative difference that does not matter to a user.
	Margin float64
}

// support is how many events must lie above a percentile: fewer, and it is the
// latency of a few events that will not come again.
const support = 10

// Supported reports whether a percentile, of 100, has enough of n events above it.
func Supported(percent float64, n int64) bool {
	return float64(n)*(100-percent)/100 >= support-1e-6
}

// Metrics are all that are compared, in the order in which they are shown.
func Metrics() []Metric {
	percentile := func(percent float64, from func(*record.Trial) *record.Latency, of func(*record.Latency) int64) func(*record.Trial) float64 {
		return func(t *record.Trial) float64 {
			l := from(t)
			if l == nil || !Supported(percent, l.N) {
				return math.NaN()
			}
			return float64(of(l))
		}
	}
	emitted := func(t *record.Trial) *record.Latency { return t.Latency }
	intended := func(t *record.Trial) *record.Latency { return t.Intended }
	positive := func(of func(*record.Cost) float64) func(*record.Trial) float64 {
		return func(t *record.Trial) float64 {
			if t.Cost == nil || of(t.Cost) == 0 {
				return math.NaN() // it was not measured
			}
			return of(t.Cost)
		}
	}
	return []Metric{
		{Name: "latency p50", Slug: "latency_p50", Unit: "ns", Better: Lower, Clock: true, Margin: 0.10, Of: percentile(50, emitted, func(l *record.Latency) int64 { return l.P50 })},
		{Name: "latency p90", Slug: "latency_p90", Unit: "ns", Better: Lower, Clock: true, Margin: 0.15, Of: percentile(90, emitted, func(l *record.Latency) int64 { return l.P90 })},
		{Name: "latency p99", Slug: "latency_p99", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Of: percentile(99, emitted, func(l *record.Latency) int64 { return l.P99 })},
		{Name: "latency p99, lost ones never", Slug: "latency_p99_with_lost", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Of: withLost},
		{Name: "from intended, p50", Slug: "intended_p50", Unit: "ns", Better: Lower, Clock: true, Margin: 0.10, Of: percentile(50, intended, func(l *record.Latency) int64 { return l.P50 })},
		{Name: "from intended, p99", Slug: "intended_p99", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Of: percentile(99, intended, func(l *record.Latency) int64 { return l.P99 })},
		{Name: "producer, per event", Slug: "producer", Unit: "ns", Better: Lower, Clock: true, Margin: 0.05, Of: positive(func(c *record.Cost) float64 { return c.ProducerNSPerEvent })},
		{Name: "producer above control, per event", Slug: "producer_cpu", Unit: "ns", Better: Lower, Clock: true, Margin: 0.05, Of: positive(func(c *record.Cost) float64 { return c.ProducerCPUNSPerEvent })},
		{Name: "consumer CPU, per event", Slug: "consumer_cpu", Unit: "ns", Better: Lower, Clock: true, Margin: 0.05, Of: positive(func(c *record.Cost) float64 { return c.ConsumerCPUNSPerEvent })},
		{Name: "producer instructions, per event", Slug: "instructions_per_event", Unit: "instructions", Better: Lower, Margin: 0.01, Of: positive(func(c *record.Cost) float64 { return c.InstructionsPerEvent })},
		{Name: "consumer instructions, per event", Slug: "consumer_instructions_per_event", Unit: "instructions", Better: Lower, Margin: 0.01, Of: positive(func(c *record.Cost) float64 { return c.ConsumerInstructionsPerEvent })},
		{Name: "wake-ups, per event", Slug: "wakeups", Unit: "1", Better: Lower, Margin: 0.05, Of: wakeupsPerEvent},
		{Name: "memory of the rings", Slug: "memory", Unit: "bytes", Better: Lower, Exact: true, Margin: 0.02, Of: func(t *record.Trial) float64 {
			if t.Memory == nil {
				return math.NaN()
			}
			return float64(t.Memory.LockedBytes + t.Memory.MapBytes)
		}},
	}
}

// MetricBySlug finds a metric by its name on the command line.
func MetricBySlug(slug string) (Metric, bool) {
	all := Metrics()
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Slug == slug })
	if i < 0 {
		return Metric{}, false
	}
	return all[i], true
}

// withLost is NaN where lost events reach down to the percentile: for ever is no
// figure.
func withLost(t *record.Trial) float64 {
	if t.Latency == nil || t.Latency.WithLost == nil || !Supported(99, t.Latency.WithLost.N) || t.Latency.WithLost.P99 == record.Never {
		return math.NaN()
	}
	return float64(t.Latency.WithLost.P99)
}

func wakeupsPerEvent(t *record.Trial) float64 {
	if t.Cost == nil || t.Counts.Delivered == 0 {
		return math.NaN()
	}
	return float64(t.Cost.Wakeups) / float64(t.Counts.Delivered)
}
