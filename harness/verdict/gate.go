package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Gate is how much worse B may be than A.
type Gate struct {
	Slug    string
	Percent float64
}

// Loss is the name of the share of lost events, whose gate is in percent of all.
const Loss = "loss"

// Slugs names what a gate can be of.
func Slugs() []string {
	var all []string
	for _, m := range Metrics() {
		all = append(all, m.Slug)
	}
	return append(all, Loss)
}

// ParseGate reads METRIC<=X%.
func ParseGate(text string) (Gate, error) {
	slug, limit, ok := strings.Cut(text, "<=")
	percent, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(limit), "%"), 64)
	if !ok || err != nil || !(percent >= 0) || math.IsInf(percent, 0) {
		return Gate{}, fmt.Errorf("gate %q: want METRIC<=X%%, as instructions_per_event<=0.5%%", text)
	}
	return Gate{strings.TrimSpace(slug), percent}, nil
}

// String is the gate as one writes it.
func (g Gate) String() string { return fmt.Sprintf("%s<=%g%%", g.Slug, g.Percent) }

// Outcome of a gate in one comparison.
type Outcome struct {
	Gate       Gate
	Comparison *Comparison
	// Measured reports whether both sides have the metric.
	Measured bool
	Failed   bool
	Text     string // what was seen
}

// Check holds a comparison against the gate. B fails where it is worse by more
// than the gate allows: in virtual time, and of what does not vary, as it is; else
// where all of the interval says so.
func (g Gate) Check(c *Comparison) Outcome {
	out := Outcome{Gate: g, Comparison: c}
	if g.Slug == Loss {
		a, b := c.TotalA, c.TotalB
		out.Measured = a.Emitted > 0 && b.Emitted > 0
		if out.Measured {
			more := 100 * (float64(b.Lost())/float64(b.Emitted) - float64(a.Lost())/float64(a.Emitted))
			out.Failed = more > g.Percent
			out.Text = fmt.Sprintf("%d of %d lost, then %d of %d", a.Lost(), a.Emitted, b.Lost(), b.Emitted)
		}
		return out
	}
	row := c.Row(g.Slug)
	if row == nil || math.IsNaN(row.A) || math.IsNaN(row.B) {
		return out
	}
	out.Measured = true
	if math.IsNaN(row.Ratio) { // a figure of 0 has no ratio
		out.Failed = row.A == 0 && row.B > 0
		out.Text = fmt.Sprintf("%g, then %g", row.A, row.B)
		return out
	}
	worst, best := row.High, row.Low // of how much worse it is
	seen := row.Ratio
	if row.Metric.Better == Higher {
		worst, best, seen = 1/row.Low, 1/row.High, 1/row.Ratio
	}
	percent := func(ratio float64) float64 { return 100 * (ratio - 1) }
	virtual := c.Machine.Clock == record.Virtual
	certain := best
	if virtual || row.Metric.Exact {
		certain = seen
	}
	out.Failed = percent(certain) > g.Percent
	out.Text = fmt.Sprintf("%.6g, then %.6g: %+.3g %%", row.A, row.B, percent(seen))
	if !virtual && !row.Metric.Exact {
		out.Text += fmt.Sprintf(" (%+.3g to %+.3g %%)", percent(best), percent(worst))
		if !row.Interval {
			// The extremes of a few blocks are no interval: nothing is certain.
			out.Failed = false
			out.Measured = false
			out.Text += fmt.Sprintf(", of %d blocks, at least %d can decide", row.Blocks, minBlocks)
		}
	}
	return out
}
