// SPDX-License-Identifier: MIT

package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// ratio is that of the figures of two groups of trials, in the order in which they ran.
type ratio struct {
	a, b           float64 // medians
	mid, low, high float64 // of the pairs
	pairs          int
}

// over returns a/b; no pairs: one of them has no figure.
func over(a, b []float64) ratio {
	n := min(len(a), len(b))
	if n == 0 {
		return ratio{}
	}
	all := make([]float64, n)
	for i := range all {
		all[i] = a[i] / b[i]
	}
	return ratio{a: median(a), b: median(b), mid: median(all), low: slices.Min(all), high: slices.Max(all), pairs: n}
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// hold holds the ratio against a published one that is not 1.
func (r ratio) hold(published float64) (Verdict, string) {
	off := max(r.mid/published, published/r.mid)
	switch {
	case r.pairs == 0:
		return Undecidable, "there is no figure"
	case r.low < 1 && r.high > 1:
		return Undecidable, fmt.Sprintf("%d pairs of trials are on both sides of 1, from %s to %s", r.pairs, times(r.low), times(r.high))
	case (r.mid < 1) != (published < 1):
		return Refuted, fmt.Sprintf("%s is on the other side of 1 than %s", times(r.mid), times(published))
	case off > Factor:
		return Refuted, fmt.Sprintf("%s is on the same side of 1 as %s, and differs by a factor of %s", times(r.mid), times(published), times(off))
	}
	return Confirmed, fmt.Sprintf("%s against %s", times(r.mid), times(published))
}

// within reports whether the ratio of two positive numbers is at most [Factor].
func within(a, b float64) bool { return a > 0 && b > 0 && math.Max(a/b, b/a) <= Factor }

// part is the answer to one of several figures.
type part struct {
	name    string
	verdict Verdict
	reason  string
}

// together is refuted if a part is, and confirmed if all are. The reason is that of the parts
// which decide it.
func together(parts []part) (Verdict, string) {
	verdict := Confirmed
	for _, p := range parts {
		if p.verdict == Refuted || p.verdict == Undecidable && verdict == Confirmed {
			verdict = p.verdict
		}
	}
	var reasons []string
	for _, p := range parts {
		if p.verdict == verdict {
			reasons = append(reasons, p.name+": "+p.reason)
		}
	}
	return verdict, strings.Join(reasons, "; ")
}

// Figures as text.
func times(x float64) string { return fmt.Sprintf("%.3g", x) }

func ns(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.3g ms", x/1e6)
	case x >= 10e3:
		return fmt.Sprintf("%.3g us", x/1e3)
	}
	return fmt.Sprintf("%.0f ns", x)
}

func perSecond(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.3g M/s", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%.3g k/s", x/1e3)
	}
	return fmt.Sprintf("%.0f/s", x)
}

func instructions(x float64) string { return fmt.Sprintf("%.0f", x) }
