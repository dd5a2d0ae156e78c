// Package report shows what package verdict found: on a terminal, as Markdown,
// as Go benchmark text for benchstat, as JUnit XML. It computes nothing, and its
// output depends on its input alone.
package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// line is one row of a comparison as text.
type line struct{ name, perf, ringbuf, ratio, noise, verdict string }

// lines is the comparison as both the terminal and Markdown show it.
func lines(c *verdict.Comparison) []line {
	all := []line{
		{name: "delivered of emitted", perf: delivered(c.PerfTotal), ringbuf: delivered(c.RingbufTotal)},
		{name: "lost", perf: lost(c.PerfTotal), ringbuf: lost(c.RingbufTotal)},
		{name: "left in the rings", perf: fmt.Sprint(c.PerfTotal.Residual), ringbuf: fmt.Sprint(c.RingbufTotal.Residual)},
	}
	if c.PerfTotal.Lost()+c.RingbufTotal.Lost() > 0 {
		all = append(all, line{
			name: "lost, and no reader was told",
			perf: fmt.Sprint(c.PerfTotal.LostTail + c.PerfTotal.Misses), ringbuf: fmt.Sprint(c.RingbufTotal.Lost()),
		})
	}
	for _, row := range c.Rows {
		all = append(all, line{
			row.Metric.Name, value(row.Metric.Unit, row.Perf), value(row.Metric.Unit, row.Ringbuf), ratio(&row), noise(&row), answer(&row),
		})
	}
	return all
}

func delivered(t verdict.Total) string { return fmt.Sprintf("%d of %d", t.Delivered, t.Emitted) }

// lost bounds what was not seen: with no loss in N events, a true rate above
// 3/N would have shown one with 95 % probability (the rule of three).
func lost(t verdict.Total) string {
	if t.Emitted == 0 {
		return "-"
	}
	if t.Lost() == 0 {
		return fmt.Sprintf("0 (at most 3/%d)", t.Emitted)
	}
	var parts []string
	for _, errno := range slices.Sorted(maps.Keys(t.Failed)) {
		parts = append(parts, fmt.Sprintf("%d %s", t.Failed[errno], errno))
	}
	if t.Misses > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", t.Misses))
	}
	return strings.Join(parts, ", ")
}

// noise is how far a transport is from itself.
func noise(row *verdict.Row) string {
	if math.IsNaN(row.Floor) {
		return "-"
	}
	if row.Floor >= 1 {
		return fmt.Sprintf("up to %.0f times", math.Ceil(1+row.Floor))
	}
	return fmt.Sprintf("±%.0f %%", math.Ceil(row.Floor*100))
}

// answer is the verdict, and what would decide it.
func answer(row *verdict.Row) string {
	text := string(row.Verdict)
	if row.More > 0 {
		text += fmt.Sprintf(" (%d blocks may decide)", row.More)
	}
	return text
}

// ratio is ringbuf/perf with its interval, or the range over the blocks.
func ratio(row *verdict.Row) string {
	if math.IsNaN(row.Ratio) {
		return "-"
	}
	text := fmt.Sprintf("%.2f", row.Ratio)
	switch {
	case row.Interval:
		text += fmt.Sprintf(" [%.2f, %.2f]", row.Low, row.High)
	case row.Blocks > 1 && row.Low != row.High:
		text += fmt.Sprintf(" (%.2f to %.2f)", row.Low, row.High)
	}
	return text
}

// value writes a figure with the unit that a person would choose.
func value(unit string, v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	switch unit {
	case "ns":
		return scaled(v, 1000, "ns", "us", "ms", "s")
	case "bytes":
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB")
	}
	return fmt.Sprintf("%.2f", v)
}

func scaled(v, step float64, units ...string) string {
	unit := units[0]
	for _, next := range units[1:] {
		if math.Abs(v) < step {
			break
		}
		v, unit = v/step, next
	}
	digits := 1
	if v == math.Trunc(v) || math.Abs(v) >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}

// kernelLine says what ran.
func kernelLine(c *verdict.Comparison) string {
	text := "Linux " + c.Kernel.Release
	if c.Kernel.Release == "" {
		text = "kernel " + c.Kernel.Want
	}
	var more []string
	if c.Kernel.Package != "" {
		more = append(more, c.Kernel.Source+" "+c.Kernel.Package)
	} else if c.Kernel.Source != "" {
		more = append(more, c.Kernel.Source)
	}
	if c.Kernel.Config.Preempt != "" {
		more = append(more, "preempt "+c.Kernel.Config.Preempt)
	}
	if c.Kernel.Config.HZ != 0 {
		more = append(more, fmt.Sprintf("%d Hz", c.Kernel.Config.HZ))
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}

func machineLine(c *verdict.Comparison) string {
	m := c.Machine
	text := fmt.Sprintf("%s %s, %s, %d CPUs, %d MiB", m.Backend, m.Version, m.Accel, m.CPUs, m.MemoryBytes>>20)
	return strings.Join(strings.Fields(text), " ")
}

// setupLines say what was run, and with what.
func setupLines(c *verdict.Comparison) []string {
	p, r := c.Perf, c.Ringbuf
	rate := "as fast as possible"
	if p.RateHz > 0 {
		rate = fmt.Sprintf("at %g Hz", p.RateHz)
	}
	load := fmt.Sprintf("plan %s: %d program starts a trial by %s, %s", c.Plan, p.Events, plural(p.Producers, "producer"), rate)
	if p.ReaderStallMS > 0 {
		load += fmt.Sprintf("; the reader sleeps for the first %d ms", p.ReaderStallMS)
	}
	size := func(bytes int) string { return value("bytes", float64(bytes)) }
	events := fmt.Sprintf("attached by %s; events of %d bytes; rings: perf %d x %s, ring buffer %s",
		p.Attach, p.PayloadBytes, p.RingBytesTotal/max(p.RingBytes, 1), size(p.RingBytes), size(r.RingBytes))
	return []string{load, events}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// measuredLine is the first thing that a report says.
func measuredLine(comparisons []verdict.Comparison) string {
	var measured, planned int
	for i := range comparisons {
		measured += comparisons[i].Measured()
		planned += comparisons[i].Planned
	}
	return fmt.Sprintf("%d of %d trials measured, on %s", measured, planned, plural(len(comparisons), "kernel"))
}

// emulated is shown wherever times of an emulated machine are.
const emulated = "emulated: compare these times with each other only, do not publish them"

// notes are what a reader of the figures has to know.
func notes(c *verdict.Comparison) []string {
	var all []string
	if text := ledgerLine(c); text != "" {
		all = append(all, text)
	}
	if len(c.Rows) > 0 && !c.Machine.Publishable() {
		all = append(all, emulated)
	}
	if len(c.Rows) > 0 {
		all = append(all, "ring/perf: median over blocks of the ratio in each; (from to) its blocks, [from, to] its 95 % interval; noise: a transport against itself")
	}
	if c.PerfTotal.Delivered < c.PerfTotal.Emitted || c.RingbufTotal.Delivered < c.RingbufTotal.Emitted {
		all = append(all, "latencies are of delivered events: a lost one has none")
	}
	if c.PerfTotal.Misses+c.RingbufTotal.Misses > 0 {
		all = append(all, "skipped: the kernel did not run the twin, because a run of it was under way on that CPU")
	}
	return all
}

// statusLine counts the trials by status.
func statusLine(c *verdict.Comparison) string {
	var parts []string
	for _, status := range record.Statuses() {
		if n := c.Statuses[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(parts, ", ")
}

// ledgerLine says what ok means.
func ledgerLine(c *verdict.Comparison) string {
	if c.Measured() == 0 {
		return ""
	}
	return fmt.Sprintf("every event accounted for: %d invariants hold in each trial that is ok", c.Invariants)
}
