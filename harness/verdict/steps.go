// SPDX-License-Identifier: MIT

package verdict

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Step is a change of a figure from one kernel to the next.
type Step struct {
	Series       int // the series of the figure
	At           int // the first kernel with the new one
	Before, Here float64
}

// Change is the relative change, 0.01 for one per cent more.
func (s *Step) Change() float64 { return s.Here/s.Before - 1 }

// Steps finds the kernels, of n in order, whose figure differs from that of the kernel
// before by more than the relative tolerance. look returns the figures of a kernel for
// several series; it is called at most once per kernel. Steps tests both ends and the
// middle, and bisects between neighbours that differ, so a step takes log2(n) calls. It
// does not search between equal ends: a change that is reverted between them is not
// found.
func Steps(n int, tolerance float64, look func(int) ([]float64, error)) ([]Step, error) {
	if n < 2 {
		return nil, errors.New("want two kernels at least")
	}
	seen := make([][]float64, n)
	at := func(i int) ([]float64, error) {
		var err error
		if seen[i] == nil {
			seen[i], err = look(i)
		}
		return seen[i], err
	}
	var steps []Step
	var between func(a, b int) error
	between = func(a, b int) error {
		before, err := at(a)
		if err != nil {
			return err
		}
		here, err := at(b)
		if err != nil {
			return err
		}
		differs := false
		for series := range before {
			step := Step{series, b, before[series], here[series]}
			if same := step.Before == step.Here || math.Abs(step.Change()) <= tolerance; !same {
				differs = true
				if b == a+1 {
					steps = append(steps, step)
				}
			}
		}
		whole := a == 0 && b == n-1
		if b == a+1 || !differs && !whole {
			return nil
		}
		middle := (a + b) / 2
		return errors.Join(between(a, middle), between(middle, b))
	}
	return steps, between(0, n-1)
}

// VirtualMetric returns the metric of that name, which must be comparable across
// machines.
func VirtualMetric(name string) (Metric, error) {
	m, ok := MetricNamed(name)
	switch {
	case !ok:
		return m, fmt.Errorf("want one of %s", strings.Join(Slugs(), ", "))
	case m.Only == record.Wall:
		return m, errors.New("a time of the host's, which does not tell kernels in different machines apart; in virtual time there are instructions_per_event and consumer_instructions_per_event")
	}
	return m, nil
}

// ParsePercent reads a percentage as a ratio: 1% is 0.01.
func ParsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 0 && n <= 1000) {
		return 0, errors.New("want a percentage, as 1%")
	}
	return n / 100, nil
}
