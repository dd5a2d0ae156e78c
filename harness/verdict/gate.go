// SPDX-License-Identifier: MIT

package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Gate bounds how much worse B may be than A.
type Gate struct {
	Metric Metric
	// Limit is relative to A, or for an absolute metric in its unit.
	Limit float64
	text  string
}

func (g Gate) String() string { return g.text }

// ParseGate reads "instructions_per_event<=0.5%": B may be worse than A by at most that.
// The loss is a share of all events, so "loss<=0" lets B lose no more than A does.
func ParseGate(text string) (Gate, error) {
	slug, limit, ok := strings.Cut(text, "<=")
	if !ok {
		return Gate{}, fmt.Errorf("gate %q: want METRIC<=LIMIT%%, as instructions_per_event<=0.5%%", text)
	}
	slug, limit = strings.TrimSpace(slug), strings.TrimSpace(limit)
	m, ok := MetricNamed(slug)
	if !ok {
		return Gate{}, fmt.Errorf("gate %q: no metric %q, want one of %s (nearest: %s)", text, slug, strings.Join(Slugs(), ", "), nearest(slug, Slugs()))
	}
	number, percent := strings.CutSuffix(limit, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return Gate{}, fmt.Errorf("gate %q: limit %q, want a number of 0 or more, as 0.5%%", text, limit)
	}
	if !percent && x != 0 {
		return Gate{}, fmt.Errorf("gate %q: limit %q, want a percentage, as %g%%", text, limit, x)
	}
	return Gate{Metric: m, Limit: x / 100, text: text}, nil
}

// GateResult is the result of a gate for one comparison.
type GateResult struct {
	Gate       Gate
	Comparison *Comparison
	Row        *Row
	// Worse is by how much B is worse, in the unit of Limit; negative if better. Certain
	// is the end of the interval on A's side: B is worse by at least that.
	Worse, Certain float64
	Failed         bool
	// Refused is why the figure must not decide.
	Refused string
}

// Check applies the gate to the comparisons. No result means that nothing was measured,
// which is not a pass.
//
// In virtual time, and for metrics that do not vary, figures repeat: B fails when it is
// worse by more than the limit. In wall time it fails only when the end of the interval
// on A's side is, which takes as many blocks as an interval does. The time of an emulated
// machine does not decide unless wall is set.
func (g Gate) Check(comparisons []Comparison, wall bool) []GateResult {
	var all []GateResult
	for i := range comparisons {
		c := &comparisons[i]
		row := c.Row(g.Metric.Slug)
		if row == nil {
			continue
		}
		switch noA, noB := math.IsNaN(row.A), math.IsNaN(row.B); {
		case noA && noB:
		case noA || noB:
			r := GateResult{Gate: g, Comparison: c, Row: row, Worse: math.NaN(), Certain: math.NaN()}
			r.Refused = "B has such a figure, and A has none"
			if noB {
				r.Refused = "A has such a figure, and B has none"
			}
			all = append(all, r)
		default:
			all = append(all, g.check(c, row, wall))
		}
	}
	return all
}

func (g Gate) check(c *Comparison, row *Row, wall bool) GateResult {
	r := GateResult{Gate: g, Comparison: c, Row: row}
	// Worse is higher, unless higher is better; then the ratio is inverted.
	worse := func(ratio float64) float64 {
		if g.Metric.Absolute {
			return ratio
		}
		if g.Metric.Better == Higher {
			ratio = 1 / ratio
		}
		return ratio - 1
	}
	least := row.Low
	if g.Metric.Better == Higher {
		least = row.High
	}
	r.Worse, r.Certain = worse(row.Ratio), worse(least)
	virtual := c.Machine.Clock == record.Virtual
	switch {
	case g.Metric.Clock && !virtual && !c.Machine.Publishable() && !wall:
		r.Refused = "times of an emulated machine do not decide: measure in virtual time, or say --gate-wall"
	case math.IsNaN(row.Ratio): // a figure of 0, or one that is infinite, in some block
		r.Worse = worse(row.B / row.A)
		if row.A == row.B {
			r.Worse = 0
		}
		r.Certain = r.Worse
		if repeats := virtual || g.Metric.Exact; !repeats && !beyondRatio(row.A) && !beyondRatio(row.B) && row.A != row.B {
			r.Refused = "some blocks have no ratio, for a figure in them is 0"
			break
		}
		r.Failed = !(r.Worse <= g.Limit)
	case virtual || g.Metric.Exact:
		r.Failed = exceeds(r.Worse, g.Limit)
	case !row.Interval:
		r.Refused = fmt.Sprintf("%d blocks have no interval, it takes about %d", row.Blocks, row.More)
		if g.Metric.Slug == "loss" || row.Low == row.High && r.Worse <= 0 {
			// Counts are exact: an observed loss is certain.
			r.Refused = ""
			r.Failed = exceeds(r.Worse, g.Limit)
		}
	default:
		r.Failed = exceeds(r.Certain, g.Limit)
	}
	return r
}

// beyondRatio reports whether no finite ratio is possible with this figure: then no more
// blocks are needed.
func beyondRatio(x float64) bool { return x == 0 || math.IsInf(x, 0) }

// exceeds is greater-than, with a tolerance for rounding.
func exceeds(x, limit float64) bool { return x > limit+1e-12 }

// Where names the cell of a result.
func (r *GateResult) Where() string {
	c := r.Comparison
	parts := []string{c.Kernel.Want}
	if c.B.Kernel.Want != "" && c.B.Kernel.Want != c.Kernel.Want {
		parts[0] += " against " + c.B.Kernel.Want
	}
	parts = append(parts, c.Plan)
	if c.Scenario != "" {
		parts = append(parts, c.Scenario)
	}
	a, b := c.A.Configuration(), c.B.Configuration()
	if a != b {
		a += " against " + b
	}
	return strings.Join(append(parts, a, fmt.Sprintf("%s of %d bytes", c.A.Cell.Workload, c.A.Cell.PayloadBytes)), ", ")
}
