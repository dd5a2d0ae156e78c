// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// drawn is a chart with a table of its figures.
type drawn struct {
	Title string
	SVG   template.HTML // empty beyond [chartBytes]
	Keys  []key
	Table grid
}

// key explains a series.
type key struct {
	Number int
	Name   string
	Dot    bool // it has no line
}

// grid is a table of text.
type grid struct {
	Head []string
	Rows [][]string
}

// chartBytes limits the charts of one kind in a report; beyond it only their tables are
// shown.
const chartBytes = 256 << 10

// artist draws charts of one kind up to [chartBytes].
type artist struct{ spent int }

func (a *artist) draw(d *drawn, f *figure) {
	f.title = d.Title
	for _, s := range f.series {
		d.Keys = append(d.Keys, key{s.number % seriesInks, s.name, s.alone})
	}
	if a.spent > chartBytes {
		d.Keys = nil
		return
	}
	d.SVG = f.svg()
	a.spent += len(d.SVG)
}

func title(c *verdict.Comparison) string {
	return fmt.Sprintf("%s, %s: %s and %s", kernelName(c), planName(c), c.A.Configuration(), c.B.Configuration())
}

// sweeps are the rate sweeps with their knees.
func (a *artist) sweeps(comparisons []verdict.Comparison) []drawn {
	var all []drawn
	for i := range comparisons {
		c := &comparisons[i]
		if !c.Sweep() {
			continue
		}
		d := drawn{Title: title(c), Table: grid{Head: []string{"side", "offered", "achieved", "delivered", "trials", "lost", "share"}}}
		f := &figure{x: "offered rate", y: "lost"}
		low, high, most := math.Inf(1), 0.0, 0.0
		for n, side := range c.Sides() {
			if side.Knee == nil {
				continue
			}
			s := series{name: fmt.Sprintf("%s, knee %s", side.Label, kneeText(side.Knee)), number: n}
			for _, r := range side.Knee.Rates {
				if r.OfferedHz <= 0 {
					continue
				}
				s.x, s.y = append(s.x, math.Log10(r.OfferedHz)), append(s.y, 100*r.Loss())
				low, high, most = min(low, r.OfferedHz), max(high, r.OfferedHz), max(most, 100*r.Loss())
				d.Table.Rows = append(d.Table.Rows, []string{
					side.Label, value("Hz", r.OfferedHz), value("Hz", r.AchievedHz), value("Hz", r.AchievedHz*r.Goodput()), fmt.Sprint(r.Trials),
					fmt.Sprintf("%d of %d", r.Lost, r.Emitted), value("share", r.Loss()),
				})
			}
			if len(s.x) > 0 {
				f.series = append(f.series, s)
			}
		}
		if len(f.series) == 0 {
			continue
		}
		f.xTicks = decades(low, high, func(v float64) string { return value("Hz", v) })
		f.yTicks = linear(0, max(most, 1), func(v float64) string { return number(v) + " %" })
		a.draw(&d, f)
		all = append(all, d)
	}
	return all
}

// latencies are the distributions, on HdrHistogram's axis: quantiles closer to 1 get more
// room.
func (a *artist) latencies(comparisons []verdict.Comparison) []drawn {
	var all []drawn
	for i := range comparisons {
		c := &comparisons[i]
		if a.spent > chartBytes {
			break // tables for all would exceed the rest of the report
		}
		d := drawn{Title: title(c), Table: grid{Head: []string{"side", "percentile", "delivered events", "lost ones too"}}}
		f := &figure{x: "percentile", y: "latency"}
		low, high, last := math.Inf(1), 0.0, 0.0
		for n, side := range c.Sides() {
			for m, dist := range []*verdict.Distribution{side.Latency(), side.Intended()} {
				if dist == nil || len(dist.At) == 0 {
					continue
				}
				s := series{name: side.Label, number: n + 2*m}
				if m == 1 {
					s.name += ", from intended"
				}
				for _, q := range dist.At {
					at := -math.Log10(1 - q.Q)
					s.x, s.y = append(s.x, at), append(s.y, math.Log10(max(q.NS, 1)))
					low, high, last = min(low, max(q.NS, 1)), max(high, q.NS), max(last, at)
					if q.Q >= 0.5 {
						d.Table.Rows = append(d.Table.Rows, []string{s.name, "p" + number6(q.Q*100), value("ns", q.NS), value("ns", q.WithLostNS)})
					}
				}
				d.Table.Rows = append(d.Table.Rows, []string{s.name, "max of " + fmt.Sprint(dist.N), value("ns", float64(dist.Max)), ""})
				f.series = append(f.series, s)
			}
		}
		if len(f.series) == 0 {
			continue
		}
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999} {
			at := -math.Log10(1 - q)
			f.xTicks = append(f.xTicks, tick{at, number6(q*100) + " %"})
			if at > last-1e-9 {
				break // the axis ends with a tick
			}
		}
		f.yTicks = decades(low, high, func(v float64) string { return value("ns", v) })
		a.draw(&d, f)
		all = append(all, d)
	}
	return all
}

func number6(v float64) string { return fmt.Sprintf("%.6g", v) }

// policies plots latency against cost, a point for each policy.
func (a *artist) policies(comparisons []verdict.Comparison) []drawn {
	var all []drawn
	for _, p := range verdict.PoliciesOf(comparisons) {
		d := drawn{
			Title: fmt.Sprintf("%s, plan %s: %s", p.Kernel.Release, p.Plan, loadText(&p.Cell, false)),
			Table: grid{Head: []string{"", "configuration", "latency p50", p.Cost.Name, "consumer", "wake-ups, per event", "loss"}},
		}
		f := &figure{x: "latency p50", y: p.Cost.Name}
		low, high, least, most := math.Inf(1), 0.0, math.Inf(1), 0.0
		timed := false
		for i, point := range p.Points {
			name := fmt.Sprint(i + 1)
			d.Table.Rows = append(d.Table.Rows, []string{
				name, point.Configuration, value("ns", point.LatencyNS), value(p.Cost.Unit, point.Cost), value(p.Cost.Unit, point.Consumer),
				value("1", point.WakeupsPerEvent), value("share", point.Loss),
			})
			timed = timed || point.LatencyNS > 0 || point.Cost > 0 || point.Consumer > 0
			if !(point.LatencyNS > 0 && point.Cost > 0) {
				continue
			}
			low, high, least, most = min(low, point.LatencyNS), max(high, point.LatencyNS), min(least, point.Cost), max(most, point.Cost)
			f.series = append(f.series, series{
				name: name + " " + point.Configuration, mark: name, number: transportInk(point.Transport), alone: true,
				x: []float64{math.Log10(point.LatencyNS)}, y: []float64{math.Log10(point.Cost)},
			})
		}
		if !timed { // counts are in other tables
			continue
		}
		if len(f.series) > 0 {
			f.xTicks = decades(low, high, func(v float64) string { return value("ns", v) })
			f.yTicks = decades(least, most, func(v float64) string { return value(p.Cost.Unit, v) })
			f.join()
			a.draw(&d, f)
		}
		all = append(all, d)
	}
	return all
}

// transportInk is a colour of each transport.
func transportInk(transport vocab.Transport) int {
	if i := slices.Index(vocab.Transports(), transport); i >= 0 {
		return i
	}
	return len(vocab.Transports())
}

// stepShare is the smallest change between consecutive kernels that is marked: costs in
// virtual time repeat.
const stepShare = 0.01

// trends are the cost of an event for either side over kernel versions. Undecided
// comparisons have no point.
func (a *artist) trends(comparisons []verdict.Comparison) []drawn {
	var all []drawn
	for _, trend := range verdict.Trends(comparisons) {
		for _, m := range shown(pointed(trend.Comparisons)) {
			if m.PerEvent {
				all = append(all, a.trend(&m, trend.Comparisons)...)
			}
		}
	}
	return all
}

func pointed(from []*verdict.Comparison) []verdict.Comparison {
	var all []verdict.Comparison
	for _, c := range from {
		all = append(all, *c)
	}
	return all
}

// trend is one cost over versions: none if fewer than two kernels have a figure.
func (a *artist) trend(m *verdict.Metric, comparisons []*verdict.Comparison) []drawn {
	first := comparisons[0]
	d := drawn{
		Title: fmt.Sprintf("%s, %s", planName(first), m.Name),
		Table: grid{Head: []string{"kernel", first.A.Label, "change", first.B.Label, "change", over(first)}},
	}
	f := &figure{x: "kernel", y: m.Name, series: []series{{name: first.A.Label}, {name: first.B.Label, number: 1}}}
	high, points := 0.0, 0
	last := [2]float64{math.NaN(), math.NaN()}
	for at, c := range comparisons {
		f.xTicks = append(f.xTicks, tick{float64(at), c.Kernel.Want})
		line := []string{kernelName(c)}
		row := c.Row(m.Slug)
		if row == nil || row.Verdict == verdict.Inconclusive || row.Verdict == verdict.NoVerdict {
			d.Table.Rows = append(d.Table.Rows, append(line, "-", "", "-", "", "-"))
			continue
		}
		points++
		for n, figure := range []float64{row.A, row.B} {
			f.series[n].x, f.series[n].y = append(f.series[n].x, float64(at)), append(f.series[n].y, figure)
			line = append(line, value(m.Unit, figure), step(last[n], figure))
			last[n], high = figure, max(high, figure)
		}
		d.Table.Rows = append(d.Table.Rows, append(line, ratio(row)))
	}
	if points < 2 {
		return nil
	}
	f.yTicks = linear(0, high, func(v float64) string { return value(m.Unit, v) })
	a.draw(&d, f)
	return []drawn{d}
}

// step is the change from one kernel to the next, if it is marked.
func step(before, here float64) string {
	if change := here/before - 1; math.Abs(change) > stepShare { // NaN is not
		return fmt.Sprintf("%+.1f %%", 100*change)
	}
	return ""
}

// repeat is the command that measures a configuration again. For a sweep, whose rates are
// not in a cell, it is the whole plan.
func repeat(c *verdict.Comparison) string {
	m := &c.Machine
	var text string
	if m.Backend == record.Host {
		text = "ringtwin run"
	} else {
		text = fmt.Sprintf("ringtwin vmtest %s --cpus %d --memory %d", quoted(c.Kernel.Want), m.CPUs, m.MemoryBytes>>20)
	}
	switch {
	case m.Clock == record.Virtual:
		text += " --clock virtual"
	case m.Backend == "vng":
		text += " --clock wall --vm vng --accel " + quoted(m.Accel)
	case m.Backend != record.Host && m.Accel != "":
		text += " --clock wall --accel " + quoted(m.Accel)
	}
	words, err := plan.Words(&c.A.Cell, &c.B.Cell)
	if c.Sweep() || err != nil || c.A.Cell.Workload == "" {
		return text + " --plan " + quoted(c.Plan)
	}
	text += " --plan " + plan.Plain
	if attach := c.A.Cell.Attach; attach != "" {
		text += " --attach " + quoted(string(attach))
	}
	for _, word := range words {
		text += " --set " + quoted(word)
	}
	return text
}
