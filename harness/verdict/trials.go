// SPDX-License-Identifier: MIT

package verdict

import "github.com/ringtwin/ringtwin/harness/record"

// Trials are those of these comparisons, whatever their status.
func Trials(comparisons []Comparison) []record.Trial {
	var trials []record.Trial
	for i := range comparisons {
		for _, t := range comparisons[i].all {
			trials = append(trials, *t)
		}
	}
	return trials
}
