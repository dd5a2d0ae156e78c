// SPDX-License-Identifier: MIT

package selftest

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Alarms are comparisons of a transport with itself that found a difference.
type Alarms struct {
	Found  int    `json:"alarms"`
	Of     int    `json:"aa"`
	Limit  int    `json:"limit"` // maximum expected by chance
	Answer Answer `json:"answer"`
	// Disturbed describes what kept the threads of the trials from running.
	Disturbed string `json:"disturbed"`
}

func (a Alarms) String() string {
	text := fmt.Sprintf("%d of %d comparisons of a transport with itself found a difference (at most %d by chance)", a.Found, a.Of, a.Limit)
	if a.Answer == TooBusy {
		text += ": too busy to say: " + a.Disturbed
	}
	return text
}

// CountAlarms compares a transport with itself n times, each by the plan with another
// seed, and counts the differences found.
func CountAlarms(n int, measure func(i int, p *plan.Plan) ([]record.Trial, error)) (Alarms, error) {
	p, err := plan.Parse([]byte(aaPlan))
	if err != nil {
		panic(err) // the plan is aaPlan
	}
	a := Alarms{Of: n, Limit: falseAlarms(n), Answer: Found}
	var disturbed Disturbance
	for i := range n {
		p.Seed = uint64(i)
		trials, err := measure(i, p)
		if err != nil {
			return Alarms{}, err
		}
		for i := range trials {
			disturbed.Add(&trials[i])
		}
		for _, c := range verdict.Compare(trials) {
			if differs(&c) {
				a.Found++
			}
		}
	}
	a.Disturbed = disturbed.String()
	if a.Found > a.Limit {
		a.Answer = NotFound
		if !disturbed.Quiet() {
			a.Answer = TooBusy
		}
	}
	return a, nil
}

// falseAlarms is how many of n A/A comparisons may find a difference. The probability of
// each is at most 5 %, whatever the number of its metrics (Holm). More than this occur in
// one of a thousand selftests.
func falseAlarms(n int) int {
	p, sum, term := 0.05, 0.0, 1.0
	for range n {
		term *= 1 - p
	}
	for k := 0; ; k++ {
		if sum += term; sum > 0.999 || k == n {
			return k
		}
		term *= float64(n-k) / float64(k+1) * p / (1 - p)
	}
}

// differs reports whether any metric found a difference.
func differs(c *verdict.Comparison) bool {
	for _, r := range c.Rows {
		if r.Verdict == verdict.ABetter || r.Verdict == verdict.BBetter || r.Verdict == verdict.Trivial {
			return true
		}
	}
	return false
}

// aaPlan has the fewest blocks that can decide.
const aaPlan = `
name: aa
pairs: [[ringbuf, ringbuf]]
workload: storm
events: 300
ring_bytes_total: 65536
blocks: 9
`
