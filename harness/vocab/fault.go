// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is a fault that selftest injects into a trial, as text: drop=64. Empty: none.
type Fault string

// FaultKind is a fault without its number.
type FaultKind string

// The kinds of faults. The number counts events, except for Delay, Work and Strand.
const (
	Drop      FaultKind = "drop"      // every Nth event never reaches the consumer
	Duplicate FaultKind = "duplicate" // every Nth arrives twice
	Reorder   FaultKind = "reorder"   // every Nth arrives after its successor
	Tear      FaultKind = "tear"      // a bit of every Nth is flipped
	Delay     FaultKind = "delay"     // each arrives N microseconds later
	Work      FaultKind = "work"      // the program runs N loop turns for each
	Strand    FaultKind = "strand"    // what waits on a CPU when the load ends is not sent; N does not matter
)

// Faults lists the kinds.
func Faults() []FaultKind { return []FaultKind{Drop, Duplicate, Reorder, Tear, Delay, Work, Strand} }

// Kind is the fault without its number.
func (f Fault) Kind() FaultKind {
	kind, _, _ := strings.Cut(string(f), "=")
	return FaultKind(kind)
}

// N is its number.
func (f Fault) N() int {
	_, number, _ := strings.Cut(string(f), "=")
	n, _ := strconv.Atoi(number)
	return n
}

// ParseFault reads KIND=N; "" is none.
func ParseFault(text string) (Fault, error) {
	if text == "" {
		return "", nil
	}
	kind, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	for _, k := range Faults() {
		if string(k) == kind && err == nil && n > 0 {
			return k.With(n), nil
		}
	}
	return "", fmt.Errorf("fault %q: want KIND=N with one of %s", text, Join(Faults()))
}

// With is the fault of this kind with the number.
func (k FaultKind) With(n int) Fault { return Fault(fmt.Sprintf("%s=%d", k, n)) }
