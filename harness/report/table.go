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
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// line is one row of a comparison as text.
type line struct{ name, a, b, ratio, noise, verdict string }

// lines is the comparison as both the terminal and Markdown show it.
func lines(c *verdict.Comparison) []line {
	all := []line{
		{name: "delivered of emitted", a: delivered(c.TotalA), b: delivered(c.TotalB)},
		{name: "lost", a: lost(c.TotalA), b: lost(c.TotalB)},
		{name: "left in the rings", a: fmt.Sprint(c.TotalA.Residual), b: fmt.Sprint(c.TotalB.Residual)},
	}
	if c.TotalA.Lost()+c.TotalB.Lost() > 0 {
		all = append(all, line{
			name: "lost, and no reader was told",
			a:    fmt.Sprint(untold(&c.A, c.TotalA)), b: fmt.Sprint(untold(&c.B, c.TotalB)),
		})
	}
	if c.KneeA != nil && c.KneeB != nil {
		all = append(all, line{name: "highest rate without loss", a: knee(c.KneeA), b: knee(c.KneeB)})
	}
	for _, row := range c.Rows {
		all = append(all, line{
			row.Metric.Name, value(row.Metric.Unit, row.A), value(row.Metric.Unit, row.B), ratio(&row), noise(&row), answer(c, &row),
		})
	}
	return all
}

// untold is what no reader was told of: a ring buffer tells of nothing.
func untold(cell *record.Cell, t verdict.Total) uint64 {
	if bpf.Transport(cell.Transport).IsRingbuf() {
		return t.Lost()
	}
	return t.LostTail + t.Misses
}

// knee is the highest rate without loss, and the lowest above it that lost.
func knee(k *verdict.Knee) string {
	switch {
	case k.Kept == 0:
		return fmt.Sprintf("below %.0f/s", k.Lost)
	case k.Lost == 0:
		return fmt.Sprintf("above %.0f/s", k.Kept)
	}
	return fmt.Sprintf("%.0f to %.0f/s", k.Kept, k.Lost)
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
func answer(c *verdict.Comparison, row *verdict.Row) string {
	text := string(row.Verdict)
	switch row.Verdict {
	case verdict.ABetter:
		text = c.LabelA + " better"
	case verdict.BBetter:
		text = c.LabelB + " better"
	}
	switch {
	case row.More > 0 && row.MoreTime > 0:
		text += fmt.Sprintf(" (%d blocks may decide: %s more)", row.More, duration(row.MoreTime))
	case row.More > 0:
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
	text := fmt.Sprintf("%s, %s, %s, %d MiB", strings.TrimSpace(m.Backend+" "+m.Version), m.Accel, plural(m.CPUs, "CPU"), m.MemoryBytes>>20)
	if m.Clock == record.Virtual {
		text += ", virtual time"
	}
	return text
}

// duration is a time as one plans with it.
func duration(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(d.Minutes()))
}

// setupLines say what was run, and with what.
func setupLines(c *verdict.Comparison) []string {
	a, b := &c.A, &c.B
	rate := "as fast as possible"
	if a.RateHz > 0 {
		rate = fmt.Sprintf("at %g Hz", a.RateHz)
	}
	if c.KneeA != nil {
		rate = "at rates that each side chose by what it lost"
	}
	what := fmt.Sprintf("%d program starts a trial", a.Events)
	if a.Workload == string(bpf.Storm) {
		what = fmt.Sprintf("storm of %d events a trial", a.Events)
		if a.Batch > 1 {
			what += fmt.Sprintf(", %d a call", a.Batch)
		}
	}
	load := fmt.Sprintf("plan %s: %s by %s, %s", c.Plan, what, plural(a.Producers, "producer"), rate)
	if c.Scenario != "" {
		load = fmt.Sprintf("plan %s, scenario %s: %s by %s, %s", c.Plan, c.Scenario, what, plural(a.Producers, "producer"), rate)
	}
	switch a.Placement {
	case plan.Hot:
		load += ", all on one CPU"
	case plan.Same:
		load += ", on the reader's CPU"
	case plan.BackToBack:
		load += ", by the reader itself once it has read a batch"
	}
	if a.ReaderStallMS > 0 {
		load += fmt.Sprintf("; the reader sleeps for the first %d ms", a.ReaderStallMS)
	}
	if a.ReaderDelayNS > 0 {
		load += fmt.Sprintf("; the reader works %s on each event", value("ns", float64(a.ReaderDelayNS)))
	}
	rings := func(c *record.Cell) string {
		n := c.RingBytesTotal / max(c.RingBytes, 1)
		text := value("bytes", float64(c.RingBytes))
		if n > 1 || bpf.Transport(c.Transport) == bpf.Perf {
			text = fmt.Sprintf("%d x %s", n, text)
		}
		return fmt.Sprintf("%s %s", c.Transport, text)
	}
	events := fmt.Sprintf("attached by %s; events of %d bytes; rings: %s, %s; who wakes the reader: %s, %s",
		a.Attach, a.PayloadBytes, rings(a), rings(b), a.Policy, b.Policy)
	if a.FlushMS > 0 {
		events += fmt.Sprintf("; it looks every %d ms", a.FlushMS)
	}
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
	kernels := map[string]bool{}
	for i := range comparisons {
		kernels[comparisons[i].Kernel.Want+" "+comparisons[i].Kernel.SHA256] = true
	}
	text := fmt.Sprintf("%d of %d trials measured, on %s", measured, planned, plural(len(kernels), "kernel"))
	if len(comparisons) > len(kernels) {
		text += fmt.Sprintf(", in %s", plural(len(comparisons), "set-up"))
	}
	return text
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
		all = append(all, "B/A: median over blocks of the ratio in each; (from to) its blocks, [from, to] its 95 % interval; noise: a transport against itself")
	}
	if c.TotalA.Delivered < c.TotalA.Emitted || c.TotalB.Delivered < c.TotalB.Emitted {
		all = append(all, "latencies are of delivered events: a lost one has none")
	}
	if c.TotalA.Misses+c.TotalB.Misses > 0 {
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
