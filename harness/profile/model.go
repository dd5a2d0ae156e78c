// SPDX-License-Identifier: MIT

package profile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Model estimates the cycles of a core from instructions, from those of classes that take
// long, and from the misses of a model of caches but those of streams, which are
// prefetched. It is no time: nothing overlaps, nothing is predicted wrongly but what a
// mitigation makes so, and no other core takes a line away.
type Model struct {
	// Width is how many instructions a cycle completes where nothing misses.
	Width float64
	// Second is the cycles that a first level waits for a line of the second, and Beyond
	// for one that is in neither.
	Second, Beyond float64
	// Classes are the cycles of an instruction of each class, beside its share of Width.
	Classes [len(classes)]float64
}

// The classes of a model, in the order of its costs.
var classes = [...]int{record.KernelReturns, record.Entries, record.Locked, record.TSCReads, record.DeviceWrites}

// DefaultModel has latencies of the core that the default caches are of, as Intel's
// optimization manual has them for the second level; beyond it is a third one. The classes
// are those of a VM on an AMD EPYC of Zen 4, where a return in the kernel is mispredicted
// on purpose (Safe RET), and a store to a device leaves the VM. docs/why.md says how they
// were measured.
var DefaultModel = Model{Width: 4, Second: 14, Beyond: 70, Classes: [len(classes)]float64{25, 370, 8, 66, 13200}}

// leastWidth is less than any core's, and keeps cycles finite.
const leastWidth = 0.001

// CachesAlone are the cycles without costs of classes, and where nothing is prefetched.
func (m Model) CachesAlone(of PerEvent) float64 {
	m.Classes = [len(classes)]float64{}
	of[record.L1DStreamed], of[record.L2Streamed] = 0, 0
	return m.Cycles(of)
}

// Cycles are those of the counts of an event.
func (m *Model) Cycles(of PerEvent) float64 {
	first := of[record.L1DMisses] + of[record.L1IMisses] - of[record.L1DStreamed]
	beyond := of[record.L2Misses] - of[record.L2Streamed]
	cycles := of[record.Instructions]/m.Width + (first-beyond)*m.Second + beyond*m.Beyond
	for i, class := range classes {
		cycles += of[class] * m.Classes[i]
	}
	return cycles
}

// Classes are the counters of the classes.
func Classes() []int { return classes[:] }

// cost is the one of a key.
func (m *Model) cost(key string) *float64 {
	switch key {
	case "width":
		return &m.Width
	case "l2":
		return &m.Second
	case "beyond":
		return &m.Beyond
	}
	i := slices.IndexFunc(classes[:], func(class int) bool { return record.ProfileCounters()[class] == key })
	if i < 0 {
		return nil
	}
	return &m.Classes[i]
}

// modelKeys are those of a model, in the order in which it is written.
func modelKeys() []string {
	keys := []string{"width", "l2", "beyond"}
	for _, class := range classes {
		keys = append(keys, record.ProfileCounters()[class])
	}
	return keys
}

// ParseModel reads costs that differ from [DefaultModel], as in kernel_returns=0,entries=90.
func ParseModel(text string) (Model, error) {
	m := DefaultModel
	if text == "" {
		return m, nil
	}
	seen := map[string]bool{}
	for _, word := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(word, "=")
		cost := m.cost(key)
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case cost == nil:
			return m, fmt.Errorf("model %q: want KEY=CYCLES, of %s", word, strings.Join(modelKeys(), ", "))
		case seen[key]:
			return m, fmt.Errorf("model %q: %s has a value already", word, key)
		case err != nil || !(n >= 0 && n <= 1e9):
			return m, fmt.Errorf("model %q: want a number of cycles from 0 to 1e9", word)
		case key == "width" && n < leastWidth:
			return m, fmt.Errorf("model %q: want at least %g instructions a cycle", word, leastWidth)
		}
		seen[key] = true
		*cost = n
	}
	return m, nil
}

// String is what [ParseModel] reads.
func (m Model) String() string {
	var words []string
	for _, key := range modelKeys() {
		words = append(words, fmt.Sprintf("%s=%g", key, *m.cost(key)))
	}
	return strings.Join(words, ",")
}
