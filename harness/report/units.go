// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// within formats a duration.
func within(d time.Duration) string {
	switch minutes := d.Minutes(); {
	case d == 0:
		return ""
	case minutes < 1:
		return ", within 1 minute"
	default:
		return fmt.Sprintf(", %.0f minutes", math.Ceil(minutes))
	}
}

// ratio is B/A, or for an absolute metric B-A, with its interval, or the range
// over the blocks.
func ratio(row *verdict.Row) string {
	if math.IsNaN(row.Ratio) {
		return "-"
	}
	show := func(x float64) string { return fmt.Sprintf("%.2f", x) }
	switch {
	case row.Metric.Absolute:
		show = func(x float64) string { return signed(value(row.Metric.Unit, x), x) }
	case row.Metric.Only == record.Virtual: // figures that repeat: as a gate shows them
		show = func(x float64) string { return fmt.Sprintf("%.4f", x) }
	}
	text := show(row.Ratio)
	switch {
	case row.Low == row.High:
	case row.Interval:
		text += fmt.Sprintf(" [%s, %s]", show(row.Low), show(row.High))
	case row.Blocks > 1:
		text += fmt.Sprintf(" (%s to %s)", show(row.Low), show(row.High))
	}
	return text
}

func signed(text string, x float64) string {
	if x > 0 {
		return "+" + text
	}
	return text
}

// Value formats a figure with a readable unit.
func Value(unit string, v float64) string { return value(unit, v) }

// value formats a figure with a readable unit.
func value(unit string, v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return "never"
	}
	switch unit {
	case "ns":
		return scaled(v, 1000, "ns", "us", "ms", "s")
	case "bytes":
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB")
	case "Hz":
		return scaled(v, 1000, "Hz", "kHz", "MHz")
	case "share":
		if v == 0 {
			return "0 %"
		}
		return fmt.Sprintf("%.3g %%", v*100)
	}
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.1f", v)
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

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
