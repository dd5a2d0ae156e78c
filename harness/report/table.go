// SPDX-License-Identifier: MIT

// Package report formats the results of package verdict: as terminal text, Markdown, a
// page with charts, Go benchmark text for benchstat, and JUnit XML. It computes nothing,
// and its output depends only on its input.
package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// line is one row of a comparison as text.
type line struct{ Name, A, B, Ratio, Noise, Verdict string }

// lines formats the comparison for both the terminal and Markdown.
func lines(c *verdict.Comparison) []line {
	a, b := &c.A, &c.B
	all := []line{
		{Name: "delivered of emitted", A: delivered(a.Total), B: delivered(b.Total)},
		{Name: "lost", A: lost(a.Total), B: lost(b.Total)},
		{Name: "left in the rings", A: fmt.Sprint(a.Total.Residual), B: fmt.Sprint(b.Total.Residual)},
	}
	if a.Total.Lost()+b.Total.Lost() > 0 {
		all = append(all, line{Name: "lost, and no reader was told", A: untold(a), B: untold(b)})
	}
	for i := range c.Rows {
		row := &c.Rows[i]
		l := line{row.Metric.Name, value(row.Metric.Unit, row.A), value(row.Metric.Unit, row.B), ratio(row), noise(row), answer(row)}
		if row.Metric.Slug == "knee" {
			l.A, l.B = kneeText(a.Knee), kneeText(b.Knee)
		}
		all = append(all, l)
	}
	return all
}

// untold counts the losses that are not reported to the reader. A ring buffer reports
// none.
func untold(s *verdict.Side) string {
	if s.Cell.Transport.Spec().Family.ReportsLoss {
		return fmt.Sprint(s.Total.LostTail + s.Total.Misses)
	}
	return fmt.Sprint(s.Total.Lost())
}

// kneeText is the bracket of a knee.
func kneeText(k *verdict.Knee) string {
	switch {
	case k == nil:
		return "-"
	case k.KeptHz == 0:
		return "below " + value("Hz", k.LostHz)
	case math.IsInf(k.LostHz, 0):
		return "above " + value("Hz", k.KeptHz)
	}
	return value("Hz", k.KeptHz) + " to " + value("Hz", k.LostHz)
}

// head names a side in a table.
func head(s *verdict.Side) string {
	if t := vocab.Transport(s.Label); t.Spec().Short != "" {
		return t.Spec().Title
	}
	return s.Label
}

// over names the ratio of a comparison.
func over(c *verdict.Comparison) string {
	if a, b := vocab.Transport(c.A.Label).Spec().Short, vocab.Transport(c.B.Label).Spec().Short; a != "" && b != "" {
		return b + "/" + a
	}
	if len(c.A.Label)+len(c.B.Label) > 24 {
		return "B/A"
	}
	return c.B.Label + "/" + c.A.Label
}

func delivered(t verdict.Total) string { return fmt.Sprintf("%d of %d", t.Delivered, t.Emitted) }

// lost bounds the loss rate: with no loss in N events, a true rate above 3/N would have
// shown one with 95 % probability (the rule of three).
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

// noise is the A/A difference of a side.
func noise(row *verdict.Row) string {
	switch {
	case math.IsNaN(row.Noise):
		return "-"
	case row.Metric.Absolute:
		return "±" + value(row.Metric.Unit, row.Noise)
	case row.Noise >= 1:
		return fmt.Sprintf("up to %.0f times", math.Ceil(1+row.Noise))
	}
	return fmt.Sprintf("±%.0f %%", math.Ceil(row.Noise*100))
}

// answer is the verdict, and what would decide it, or the reason why there is none.
func answer(row *verdict.Row) string {
	text := row.Answer()
	switch {
	case row.More > row.Blocks:
		text += fmt.Sprintf(" (%s may decide%s)", plural(row.More-row.Blocks, "more block"), within(row.MoreTime))
	case math.IsNaN(row.A) && math.IsNaN(row.B):
		text = "not shown: " + row.Why
	case row.Why != "" && row.Verdict == verdict.NoVerdict:
		text += ": " + row.Why
	}
	return text
}

// kernelLine describes the kernel.
func kernelLine(c *verdict.Comparison) string {
	text := "Linux " + c.Kernel.Release
	if c.Kernel.Release == "" {
		text = "kernel " + c.Kernel.Want
	}
	if c.B.Kernel.Release != "" && c.B.Kernel.Release != c.Kernel.Release {
		return text + " against " + c.B.Kernel.Release
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
	parts := []string{strings.TrimSpace(m.Backend + " " + m.Version)}
	if m.Accel != "none" { // the host is not a VM and has no accelerator
		parts = append(parts, m.Accel)
	}
	if m.Clock == record.Virtual {
		parts = append(parts, "virtual time")
	}
	return strings.Join(append(parts, plural(m.CPUs, "CPU"), fmt.Sprintf("%d MiB", m.MemoryBytes>>20)), ", ")
}

// configLines describe the configuration.
func configLines(c *verdict.Comparison) []string {
	a, b := &c.A.Cell, &c.B.Cell
	title := "plan " + c.Plan
	if c.Scenario != "" {
		title += ", " + c.Scenario
	}
	load := fmt.Sprintf("%s: %s", title, loadText(a, c.Sweep()))
	events := fmt.Sprintf("attached by %s; events of %d bytes; rings: %s, %s", a.Attach, a.PayloadBytes, rings(&c.A), rings(&c.B))
	all := []string{load, events}
	if a.Policy != "" || b.Policy != "" {
		all = append(all, fmt.Sprintf("the reader is woken: %s; %s", policy(&c.A), policy(&c.B)))
	}
	return all
}

// loadText describes the workload.
func loadText(c *record.Cell, sweep bool) string {
	what := "program starts"
	if c.Workload != vocab.Execve && c.Workload != "" {
		what = fmt.Sprintf("events of a %s", c.Workload)
		if c.Batch > 1 {
			what += fmt.Sprintf(", %d a trigger,", c.Batch)
		}
	}
	text := fmt.Sprintf("%d %s a trial by %s", c.Events, what, plural(c.Producers, "producer"))
	switch {
	case sweep:
		text += ", rates swept"
	case c.RateHz > 0:
		text += fmt.Sprintf(", at %g Hz", c.RateHz)
	default:
		text += ", as fast as possible"
	}
	for _, x := range axis.All() {
		if x.Phrase != nil && !x.Side {
			text += x.Phrase(c, value)
		}
	}
	return text
}

func rings(s *verdict.Side) string {
	each := value("bytes", float64(s.Cell.RingBytes))
	if n := s.Cell.RingBytesTotal / max(s.Cell.RingBytes, 1); n > 1 {
		return fmt.Sprintf("%s %d x %s", s.Label, n, each)
	}
	return fmt.Sprintf("%s %s", head(s), each)
}

func policy(s *verdict.Side) string {
	text := fmt.Sprintf("%s %s", s.Cell.Transport, s.Cell.Policy)
	for _, x := range axis.All() {
		if x.Phrase != nil && x.Side {
			text += x.Phrase(&s.Cell, value)
		}
	}
	return text
}

// measuredLine is the first line of a report.
func measuredLine(comparisons []verdict.Comparison) string {
	var measured, planned int
	kernels := map[string]bool{}
	for i := range comparisons {
		measured += comparisons[i].Measured()
		planned += comparisons[i].Planned
		kernels[comparisons[i].Kernel.Want] = true
	}
	return fmt.Sprintf("%d of %d trials measured, on %s", measured, planned, plural(len(kernels), "kernel"))
}

// emulatedTimes reports whether any times are those of an emulated machine.
func emulatedTimes(c *verdict.Comparison) bool {
	return !c.Machine.Publishable() && slices.ContainsFunc(c.Rows, func(r verdict.Row) bool { return r.Metric.Clock })
}

// emulated is the warning shown with such times.
const emulated = "emulated: compare these times with each other only, do not publish them"

// notes explain the figures to their reader.
func notes(c *verdict.Comparison) []string {
	var all []string
	if text := ledgerLine(c); text != "" {
		all = append(all, text)
	}
	if emulatedTimes(c) {
		all = append(all, emulated)
	}
	if len(c.Rows) > 0 {
		all = append(all, over(c)+": median over blocks of the ratio in each, for loss the difference; (from to) its blocks, [from, to] its 95 % interval; noise: a side against itself")
	}
	if c.A.Total.Delivered < c.A.Total.Emitted || c.B.Total.Delivered < c.B.Total.Emitted {
		all = append(all, "latencies are of delivered events: a lost one has none")
	}
	for _, s := range c.Sides() {
		if text := causes(s); text != "" {
			all = append(all, text)
		}
	}
	if c.A.Total.Misses+c.B.Total.Misses > 0 {
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

// ledgerLine explains the status ok.
func ledgerLine(c *verdict.Comparison) string {
	if c.Measured() == 0 || c.Invariants == 0 {
		return ""
	}
	return fmt.Sprintf("every event accounted for: %d invariants hold in each trial that is ok", c.Invariants)
}

// kernelName is the release, or if unknown the requested name.
func kernelName(c *verdict.Comparison) string {
	if c.Kernel.Release != "" {
		return c.Kernel.Release
	}
	return c.Kernel.Want
}

// planName is the plan with the scenario, and the number of the configuration if either
// has several.
func planName(c *verdict.Comparison) string {
	name := c.Plan
	if c.Scenario != "" {
		name += " " + c.Scenario
	}
	if c.Configuration > 0 {
		name += fmt.Sprintf(" #%d", c.Configuration)
	}
	return name
}

// shown are the metrics of which any comparison has a row.
func shown(comparisons []verdict.Comparison) []verdict.Metric {
	have := map[string]verdict.Metric{}
	for i := range comparisons {
		for _, row := range comparisons[i].Rows {
			have[row.Metric.Slug] = row.Metric
		}
	}
	var all []verdict.Metric
	for _, slug := range verdict.Slugs() {
		if m, ok := have[slug]; ok {
			all = append(all, m)
		}
	}
	return all
}
