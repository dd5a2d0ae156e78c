// SPDX-License-Identifier: MIT

package plan

import "math"

// Bisection looks for the highest rate without loss, of one side.
type Bisection struct {
	from, to float64
	steps    int
	past     float64
	step     int
	// kept is the highest rate that lost nothing, lost the lowest that did; 0:
	// none yet.
	kept, lost float64
}

// pastSteps are the trials of a side beyond the knee.
const pastSteps = 4

// trials of each side.
func (s *Sweep) trials() int {
	if s.Past > 0 {
		return s.Steps + pastSteps
	}
	return s.Steps
}

// NewBisection starts a sweep.
func NewBisection(s *Sweep) *Bisection {
	return &Bisection{from: s.FromHz, to: s.ToHz, steps: s.Steps, past: s.Past}
}

// Next is the rate of the next step, in events a second: first the highest, then the
// lowest, then the geometric mean of the remaining range. If nothing remains, it is the
// end that decided. Behind these steps it rises from the knee to the multiple of the
// sweep.
func (b *Bisection) Next() float64 {
	b.step++
	switch {
	case b.step > b.steps && b.past > 0:
		// Evenly up to the last.
		part := float64(b.step-b.steps) / pastSteps
		return max(b.kept, b.from) * (1 + (b.past-1)*part)
	case b.step == 1 || b.kept >= b.to:
		return b.to
	case b.step == 2 || b.lost <= b.from:
		return b.from
	}
	return math.Sqrt(b.kept * b.lost)
}

// Saw records whether a rate lost events.
func (b *Bisection) Saw(rateHz float64, lost bool) {
	switch {
	case lost && (b.lost == 0 || rateHz < b.lost):
		b.lost = rateHz
	case !lost && rateHz > b.kept && (b.lost == 0 || rateHz < b.lost):
		b.kept = rateHz
	}
}
