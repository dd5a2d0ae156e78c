// SPDX-License-Identifier: MIT

package verdict

import (
	"fmt"
	"math"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Direction is the direction in which a metric is better.
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
	// Short is the name of a deciding metric in the header of a table.
	Short string
	// Less describes the advantage of the better side: "fewer instructions for the
	// program". PerEvent means that the figure is of one event.
	Less     string
	PerEvent bool
	// Of returns NaN if the trial lacks the figure.
	Of func(*record.Trial) float64
	// Clock metrics are times: by the wall clock of an emulated machine they are
	// comparable only within one run.
	Clock bool
	// Exact metrics do not vary: one block decides.
	Exact bool
	// Absolute metrics are compared by their difference, since 0 is a good value and has
	// no ratio; Margin is then in their unit.
	Absolute bool
	// Only is the clock on which the metric is compared; empty: on both.
	Only string
	// Weight is the relative weight of a factor of two in a recommendation. A metric of
	// weight 0 only explains; one of infinite weight decides alone.
	Weight float64
	// Margin is the relative difference that does not matter to a user.
	Margin float64
	// Counts says that the metric is of what was delivered.
	Counts bool
	// AnyMatters means that every significant difference matters; the margin is then only
	// the required precision of equivalence.
	AnyMatters bool
	// ExactOf selects the cells in which the metric does not vary.
	ExactOf func(*record.Cell) bool
	// DecidesOf selects the cells in which it has its weight; nil: all.
	DecidesOf func(*record.Cell) bool
	// Events is how many a trial needs for the figure; 0: any number.
	Events int64
}

// Primary metrics are those on which a recommendation depends. They are a separate
// family: their false alarm rate does not depend on the number of other metrics.
func (m *Metric) Primary() bool { return m.Weight > 0 }

// lossSlug names the metric that decides before all others.
const lossSlug = "loss"

// skippedSlug names the metric that is shown only if it is not 0.
const skippedSlug = "skipped"

// beyond is how many events a percentile needs above it. The rank of a percentile has a
// standard deviation of about the square root of that number, so ten events determine it
// to within a third; p99 takes 1000 events, p99.9 10,000.
const beyond = 10

// supported reports whether n events have a percentile q, from 0 to 1.
func supported(n int64, q float64) bool { return n >= needed(q) }

// needed is how many events a percentile takes.
func needed(q float64) int64 { return int64(math.Round(beyond / (1 - q))) }

// Metrics are all compared metrics, in order of importance.
//
// They exclude the largest latency of a trial, as one event is no evidence. Wake-ups do
// not decide, as the costs of producer and reader include them.
func Metrics() []Metric {
	producer, consumer := 3.0, 2.0
	return []Metric{
		{Name: "loss", Slug: lossSlug, Short: "lost", Unit: "share", Better: Lower, Absolute: true, Weight: math.Inf(1), Margin: 0.01, Counts: true, AnyMatters: true, ExactOf: capacityDecides, Of: loss},
		{Name: "runs of the program skipped", Slug: skippedSlug, Short: "skipped", Unit: "share", Better: Lower, Absolute: true, Margin: 0.01, Counts: true, Of: skippedShare},
		{Name: "producer instructions, per event", Slug: "instructions_per_event", Short: "program", Less: "fewer instructions for the program", PerEvent: true, Unit: "1", Better: Lower, Only: record.Virtual, Weight: producer, Margin: 0.01,
			Of: cost(func(c *record.Cost) float64 { return c.InstructionsPerEvent })},
		{Name: "consumer instructions, per event", Slug: "consumer_instructions_per_event", Short: "reader", Less: "fewer instructions for the reader", PerEvent: true, Unit: "1", Better: Lower, Only: record.Virtual, Weight: consumer, Margin: 0.02,
			Of: cost(func(c *record.Cost) float64 { return c.ConsumerInstructionsPerEvent })},
		{Name: "producer, per event", Slug: "producer_ns_per_event", Short: "program", Less: "less time in the program", PerEvent: true, Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Weight: producer, Margin: 0.05,
			Of: cost(func(c *record.Cost) float64 { return c.ProducerNSPerEvent })},
		{Name: "consumer CPU, per event", Slug: "consumer_cpu_ns_per_event", Short: "reader", Less: "less CPU time of the reader", PerEvent: true, Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Weight: consumer, Margin: 0.10,
			Of: cost(func(c *record.Cost) float64 { return c.ConsumerCPUNSPerEvent })},
		percentile("latency p50", "latency_p50", 0.50, 0.10, 1, actual, func(l *record.Latency) int64 { return l.P50 }),
		percentile("latency p99", "latency_p99", 0.99, 0.20, 1, actual, func(l *record.Latency) int64 { return l.P99 }),
		percentile("latency from intended p50", "latency_intended_p50", 0.50, 0.10, 0, intended, func(l *record.Latency) int64 { return l.P50 }),
		percentile("latency from intended p99", "latency_intended_p99", 0.99, 0.20, 0, intended, func(l *record.Latency) int64 { return l.P99 }),
		{Name: "latency p99, lost ones too", Slug: "latency_p99_with_lost", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Events: needed(0.99), Of: withLostP99},
		{Name: "producer CPU above control, per event", Slug: "producer_cpu_ns_per_event", Unit: "ns", Better: Lower, Clock: true, Only: record.Wall, Margin: 0.05,
			Of: cost(func(c *record.Cost) float64 { return c.ProducerCPUNSPerEvent })},
		{Name: "delivered rate", Slug: "delivered_rate", Short: "rate", Less: "as many events a second", Unit: "Hz", Better: Higher, Clock: true, Weight: 1, DecidesOf: saturated, Margin: 0.05, Of: deliveredHz},
		{Name: "wake-ups, per event", Slug: "wakeups_per_event", Unit: "1", Better: Lower, Margin: 0.05,
			Of: perDelivered(func(c *record.Cost) int64 { return c.Wakeups })},
		{Name: "context switches, per event", Slug: "context_switches_per_event", Unit: "1", Better: Lower, Margin: 0.05,
			Of: perDelivered(func(c *record.Cost) int64 { return c.ContextSwitches })},
		{Name: "reorder window", Slug: "reorder_window", Short: "reorder", Unit: "ns", Better: Lower, Clock: true, Absolute: true, Margin: 1e5, Of: orderNS(func(o *record.Order) int64 { return o.MaxNS })},
		{Name: "reorder window p99.9", Slug: "reorder_window_p999", Unit: "ns", Better: Lower, Clock: true, Absolute: true, Margin: 1e5, Events: needed(0.999), Of: orderNS(func(o *record.Order) int64 { return o.P999 })},
		{Name: "goodput", Slug: "goodput", Short: "goodput", Unit: "share", Better: Higher, Absolute: true, Margin: 0.01, Clock: true, Of: goodput},
		{Name: "events of victims missing", Slug: "victims_missing", Short: "victims", Unit: "share", Better: Lower, Absolute: true, Margin: 0.01, Counts: true, Of: victimsMissing},
		{Name: "from full to recovered", Slug: "recovery", Unit: "ns", Better: Lower, Clock: true, Margin: 0.20, Of: recovery},
		{Name: "memory of the rings", Slug: "memory_bytes", Unit: "bytes", Better: Lower, Exact: true, Margin: 0.10, Of: memory},
	}
}

// capacityDecides reports whether losses depend only on sizes.
func capacityDecides(c *record.Cell) bool { return c.ReaderStallMS == record.UntilOver }

// saturated reports whether the transport limits the event rate: a storm without a rate.
func saturated(c *record.Cell) bool { return c.Workload == storm && c.RateHz == 0 }

// storm is the workload of events alone.
const storm = "storm"

// knee is the only metric of a sweep: at each step the sides have different rates, so
// nothing else is comparable.
func knee() Metric {
	return Metric{Name: "highest rate without loss", Slug: "knee", Short: "knee", Less: "as many events without loss", Unit: "Hz", Better: Higher, Clock: true, Counts: true, Weight: math.Inf(1), Margin: 0.10}
}

// AllMetrics are those of a trial and of a sweep.
func AllMetrics() []Metric { return append([]Metric{knee()}, Metrics()...) }

// MetricNamed returns the metric with that slug.
func MetricNamed(slug string) (Metric, bool) {
	for _, m := range AllMetrics() {
		if m.Slug == slug {
			return m, true
		}
	}
	return Metric{}, false
}

// Slugs are the names of all metrics on the command line.
func Slugs() []string {
	var all []string
	for _, m := range AllMetrics() {
		all = append(all, m.Slug)
	}
	return all
}

// actual is nil if the reader had to wait for the producer's time slice to end: on one
// busy CPU, its latency is that of the scheduler.
func actual(t *record.Trial) *record.Latency {
	if t.Machine.Clock == record.Virtual && t.Cell.RateHz == 0 {
		return nil
	}
	return t.Latency
}

func intended(t *record.Trial) *record.Latency { return t.Intended }

func percentile(name, slug string, q, margin, weight float64, of func(*record.Trial) *record.Latency, at func(*record.Latency) int64) Metric {
	return Metric{
		Name: name, Slug: slug, Unit: "ns", Better: Lower, Short: fmt.Sprintf("p%g", 100*q), Less: fmt.Sprintf("sooner at p%g", 100*q), Clock: true, Weight: weight, Margin: margin, Events: needed(q),
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
	if actual(t) == nil || t.Latency.WithLost == nil || !supported(t.Latency.WithLost.N, 0.99) {
		return math.NaN()
	}
	if t.Latency.WithLost.P99 == record.Never {
		return math.Inf(1)
	}
	return float64(t.Latency.WithLost.P99)
}

// cost is NaN if there is none: the record omits what was not measured.
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

// skipped are the events of triggers whose program run the kernel skipped, whatever the
// transport.
func skipped(t *record.Trial) uint64 { return t.Counts.Misses * uint64(max(t.Cell.Batch, 1)) }

// sent is how many events the program tried to output.
func sent(t *record.Trial) uint64 { return emitted(t) - min(skipped(t), emitted(t)) }

// loss is the share of sent events that the transport refused. If only sizes decide,
// other events take the place of those of skipped runs: then it is the share of all
// events that found no room.
func loss(t *record.Trial) float64 {
	switch {
	case t.Counts == nil || sent(t) == 0:
		return math.NaN()
	case capacityDecides(&t.Cell):
		return 1 - float64(t.Counts.Submitted)/float64(emitted(t))
	}
	return float64(t.Counts.FailedTotal()) / float64(sent(t))
}

func skippedShare(t *record.Trial) float64 {
	if t.Counts == nil || emitted(t) == 0 {
		return math.NaN()
	}
	return float64(skipped(t)) / float64(emitted(t))
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

// orderNS is NaN in records without the figure, and where one producer makes all events:
// these cannot be out of order.
func orderNS(of func(*record.Order) int64) func(*record.Trial) float64 {
	return func(t *record.Trial) float64 {
		if t.Order == nil || t.Cell.Producers < 2 {
			return math.NaN()
		}
		return float64(of(t.Order))
	}
}

// goodput is the share of the offered events that were delivered, where there is a rate.
func goodput(t *record.Trial) float64 {
	if t.Rate == nil || t.Rate.OfferedHz == 0 || t.Counts == nil || emitted(t) == 0 {
		return math.NaN()
	}
	return float64(t.Counts.Delivered) / float64(emitted(t))
}

func victimsMissing(t *record.Trial) float64 {
	if t.Victims == nil || t.Victims.Sent == 0 {
		return math.NaN()
	}
	return float64(t.Victims.Missing) / float64(t.Victims.Sent)
}

func recovery(t *record.Trial) float64 {
	if t.RecoveryNS == 0 {
		return math.NaN()
	}
	return float64(t.RecoveryNS)
}
