// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/verdict"
)

// mostOpen is how many undecided configurations are reported individually.
const mostOpen = 3

// open lists the undecided configurations.
func open(a *verdict.Answer) []string {
	var all, names []string
	var took time.Duration
	for i := range a.Cases {
		c := &a.Cases[i]
		rows := c.Undecided()
		if len(rows) == 0 {
			continue
		}
		all = append(all, "undecided, "+caseName(c)+": "+undecided(rows))
		names = append(names, caseName(c))
		longest := time.Duration(0)
		for _, r := range rows {
			longest = max(longest, r.MoreTime)
		}
		took += longest
	}
	if len(all) <= mostOpen {
		return all
	}
	text := fmt.Sprintf("something is undecided in %d of %d configurations (%s)", len(names), len(a.Cases), strings.Join(names, "; "))
	if took > 0 {
		text += fmt.Sprintf(", about %s more may decide", about(took))
	}
	return []string{text}
}

// undecided reports what is undecided, why, and what would decide the last of it.
func undecided(rows []*verdict.Row) string {
	var names []string
	last := rows[0]
	for _, r := range rows {
		names = append(names, r.Metric.Name)
		if r.More == 0 || last.More != 0 && r.More > last.More {
			last = r
		}
	}
	text := strings.Join(names, "; ")
	switch {
	case !last.Interval:
		text += fmt.Sprintf(" (%s so far)", plural(last.Blocks, "block"))
	case last.Metric.Absolute:
		text += fmt.Sprintf(" (%s between them, known to %s)", value(last.Metric.Unit, last.Ratio), value(last.Metric.Unit, max(last.High-last.Ratio, last.Ratio-last.Low)))
	case !math.IsNaN(last.Noise):
		text += fmt.Sprintf(" (they differ by %s, a side from itself by up to %s)", percent(last.Ratio-1), percent(last.Noise))
	}
	if more := last.More - last.Blocks; more > 0 {
		text += fmt.Sprintf(", %s may decide", plural(more, "more block"))
		if last.MoreTime > 0 {
			text += " in about " + about(last.MoreTime)
		}
	}
	return text
}

func percent(x float64) string { return fmt.Sprintf("%.2g %%", math.Abs(100*x)) }

// about formats an estimated time.
func about(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(d.Minutes()))
}
