// SPDX-License-Identifier: MIT

package verdict

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Trend is one configuration over several kernels, by version.
type Trend struct{ Comparisons []*Comparison }

// view is a configuration on a machine, on any kernel.
type view struct {
	plan, scenario, a, b string
	number               int
	backend, accel       string
	clock, version       string
	cell                 record.Cell
}

func viewOf(c *Comparison) view {
	cell := c.A.Cell
	shared := variant{cell: cell}
	freeSide(&shared)
	cell = shared.cell
	cell.Attach = ""
	if c.Sweep() {
		cell.RateHz = 0
	}
	m := &c.Machine
	return view{c.Plan, c.Scenario, c.A.Configuration(), c.B.Configuration(), c.Configuration, m.Backend, m.Accel, m.Clock, m.Version, cell}
}

// Trends returns the configurations with figures on at least two kernels.
func Trends(comparisons []Comparison) []Trend {
	var order []view
	groups := map[view][]*Comparison{}
	for i := range comparisons {
		c := &comparisons[i]
		if len(c.Rows) == 0 {
			continue
		}
		at := viewOf(c)
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], c)
	}
	var trends []Trend
	for _, at := range order {
		group := groups[at]
		if len(group) < 2 {
			continue
		}
		slices.SortStableFunc(group, func(a, b *Comparison) int { return byVersion(a.Kernel.Release, b.Kernel.Release) })
		trends = append(trends, Trend{group})
	}
	return trends
}

// byVersion compares releases number by number.
func byVersion(a, b string) int {
	numbers := func(s string) []int {
		var all []int
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
			n, _ := strconv.Atoi(part) // digits only
			all = append(all, n)
		}
		return all
	}
	if by := slices.Compare(numbers(a), numbers(b)); by != 0 {
		return by
	}
	return cmp.Compare(a, b)
}

// Policies are several policies under the same load on one kernel.
type Policies struct {
	Kernel  record.Kernel
	Machine record.Machine
	Plan    string
	Cell    record.Cell // what they share
	Cost    Metric      // of the producer
	Points  []Policy
}

// Policy is the figures of one transport with its policy: medians over its comparisons,
// NaN without a figure.
type Policy struct {
	Configuration             string
	Transport                 vocab.Transport
	LatencyNS, Cost, Consumer float64
	WakeupsPerEvent, Loss     float64
}

// PoliciesOf groups the sides of all comparisons by load; groups of fewer than three are
// omitted.
func PoliciesOf(comparisons []Comparison) []Policies {
	type load struct {
		want, sha256 string
		view         view
	}
	var order []load
	groups := map[load][]*Comparison{}
	for i := range comparisons {
		c := &comparisons[i]
		if len(c.Rows) == 0 || c.Sweep() {
			continue
		}
		at := load{c.Kernel.Want, c.Kernel.SHA256, viewOf(c)}
		at.view.a, at.view.b, at.view.number = "", "", 0
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], c)
	}
	var all []Policies
	for _, at := range order {
		if p := policiesOf(groups[at]); len(p.Points) > 2 {
			all = append(all, p)
		}
	}
	return all
}

func policiesOf(comparisons []*Comparison) Policies {
	first := comparisons[0]
	slug, consumer := "producer_ns_per_event", "consumer_cpu_ns_per_event"
	if first.Machine.Clock == record.Virtual {
		slug, consumer = "instructions_per_event", "consumer_instructions_per_event"
	}
	p := Policies{Kernel: first.Kernel, Machine: first.Machine, Plan: first.Plan, Cell: first.A.Cell}
	p.Cost, _ = MetricNamed(slug)
	values := map[string]map[string][]float64{}
	var order []*Side
	for _, c := range comparisons {
		for i, side := range c.Sides() {
			name := side.Configuration()
			if values[name] == nil {
				values[name] = map[string][]float64{}
				order = append(order, side)
			}
			for j := range c.Rows {
				v := []float64{c.Rows[j].A, c.Rows[j].B}[i]
				if !math.IsNaN(v) {
					at := c.Rows[j].Metric.Slug
					values[name][at] = append(values[name][at], v)
				}
			}
		}
	}
	for _, side := range order {
		of := values[side.Configuration()]
		p.Points = append(p.Points, Policy{
			Configuration: side.Configuration(), Transport: side.Cell.Transport, LatencyNS: Median(of["latency_p50"]), Cost: Median(of[slug]),
			Consumer: Median(of[consumer]), WakeupsPerEvent: Median(of["wakeups_per_event"]), Loss: Median(of["loss"]),
		})
	}
	return p
}
