// SPDX-License-Identifier: MIT

package profile

import "github.com/ringtwin/ringtwin/harness/record"

// Model estimates the cycles of a core from instructions and from the misses of a model of
// caches. It is no time: nothing overlaps, nothing is predicted wrongly, nothing is
// prefetched, and no other core takes a line away.
type Model struct {
	// Width is how many instructions a cycle completes where nothing misses.
	Width float64
	// Second is the cycles that a first level waits for a line of the second, and Beyond
	// for one that is in neither.
	Second, Beyond float64
}

// DefaultModel has latencies of the core that the default caches are of, as Intel's
// optimization manual has them for the second level; beyond it is a third one.
var DefaultModel = Model{Width: 4, Second: 14, Beyond: 70}

// Cycles are those of the counts of an event.
func (m Model) Cycles(of PerEvent) float64 {
	first := of[record.L1DMisses] + of[record.L1IMisses]
	beyond := of[record.L2Misses]
	return of[record.Instructions]/m.Width + (first-beyond)*m.Second + beyond*m.Beyond
}
