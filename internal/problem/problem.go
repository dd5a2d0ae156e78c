// SPDX-License-Identifier: MIT

// Package problem has one type for everything that can be wrong with what was measured,
// decided or run, so that a terminal, a summary, an annotation and an exit code agree on
// what is worst.
package problem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Outcome is what a whole run has come to. Its text is for scripts.
type Outcome string

// The outcomes, best first.
const (
	// Passed: all was measured as planned.
	Passed Outcome = "passed"
	// Incomplete: something that was planned was not measured, decided or run.
	Incomplete Outcome = "incomplete"
	// Failed: what was measured, decided or run is not as it should be.
	Failed Outcome = "failed"
)

// Kind is what is wrong. The status of a trial is one, and so are those below.
type Kind string

// Kinds that are no status of a trial.
const (
	Differ     Kind = "differ"        // the twins do not agree
	Fails      Kind = "does not hold" // a statement
	Gate       Kind = "gate"          // a figure is worse than allowed
	Undecided  Kind = "undecided"     // a gate that has no right to decide
	Program    Kind = "program"       // what was run on the kernel has failed
	Missing    Kind = "missing"       // an expected kernel, or a share of a fleet's work
	Short      Kind = "short"         // trials that were planned have no record
	Unread     Kind = "unread"        // a file, or a part of one
	Untried    Kind = "not tried"     // a statement
	Stopped    Kind = "stopped"       // the command, by anything else
	Unexpected Kind = "unexpected"    // a kernel that nobody asked for
	KVM        Kind = "kvm"           // was there, or expected, and was not used
)

// kinds are all of them, the worst first, and what each makes of a run. What passes is
// only worth to be known.
var kinds = []struct {
	kind    Kind
	outcome Outcome
}{
	{Differ, Failed},
	{"invalid", Failed},
	{"panic", Incomplete},
	{"splat", Incomplete},
	{Fails, Failed},
	{Gate, Failed},
	{Program, Failed},
	{"hang", Incomplete},
	{"lost", Incomplete},
	{"refused", Incomplete},
	{"boot-failed", Incomplete},
	{"fetch-failed", Incomplete},
	{Missing, Incomplete},
	{"timeout", Incomplete},
	{"failed", Incomplete},
	{Undecided, Incomplete},
	{Untried, Incomplete},
	{Short, Incomplete},
	{Unread, Incomplete},
	{Stopped, Incomplete},
	{"unsupported", Incomplete},
	{"cancelled", Incomplete},
	{Unexpected, Passed},
	{KVM, Passed},
}

// Outcome is what the kind makes of a run.
func (k Kind) Outcome() Outcome {
	if i := k.rank(); i < len(kinds) {
		return kinds[i].outcome
	}
	return Incomplete
}

// IsError reports whether the kind keeps a run from passing.
func (k Kind) IsError() bool { return k.Outcome() != Passed }

// rank orders the kinds. One that is not in the table comes last.
func (k Kind) rank() int {
	for i := range kinds {
		if kinds[i].kind == k {
			return i
		}
	}
	return len(kinds)
}

// Problem is one thing that is wrong.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Kernel string `json:"kernel,omitempty"` // as requested; "": no kernel's
	Text   string `json:"text"`             // in one line
}

// New makes a problem of the first line of a text.
func New(kind Kind, kernel, format string, args ...any) Problem {
	line, _, _ := strings.Cut(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n")
	if runes := []rune(line); len(runes) > mostText {
		line = string(runes[:mostText]) + "…"
	}
	return Problem{kind, kernel, line}
}

// mostText is how many characters a line has room for; reports have the whole text of a
// trial elsewhere.
const mostText = 400

// String names the kernel, the kind and the reason in one line.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.Kernel, string(p.Kind), p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Sort puts the worst first. Those of a kind keep their order, and equal ones are
// removed.
func Sort(all []Problem) []Problem {
	var unique []Problem
	for _, p := range all {
		if !slices.Contains(unique, p) {
			unique = append(unique, p)
		}
	}
	slices.SortStableFunc(unique, func(a, b Problem) int { return cmp.Compare(a.Kind.rank(), b.Kind.rank()) })
	return unique
}

// Headline is the worst problem, and how many others there are; "" if there are none.
// The problems are sorted.
func Headline(all []Problem) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0].String()
	case 2:
		return all[0].String() + " (and 1 more problem)"
	}
	return fmt.Sprintf("%s (and %d more problems)", all[0], len(all)-1)
}

// Kernels are the kernels of all errors, each once, in order of the problems.
func Kernels(all []Problem) []string {
	var kernels []string
	for _, p := range Errors(all) {
		if p.Kernel != "" && !slices.Contains(kernels, p.Kernel) {
			kernels = append(kernels, p.Kernel)
		}
	}
	return kernels
}

// Errors are those that keep a run from passing.
func Errors(all []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p Problem) bool { return !p.Kind.IsError() })
}

// OutcomeOf is the worst outcome of all.
func OutcomeOf(all []Problem) Outcome {
	outcomes := []Outcome{Passed, Incomplete, Failed}
	worst := 0
	for _, p := range all {
		worst = max(worst, slices.Index(outcomes, p.Kind.Outcome()))
	}
	return outcomes[worst]
}
