// SPDX-License-Identifier: MIT

// Package claims is the table of published statements about the transports, and decides
// each of them by the trials of the plan of the same name.
//
// It makes no system call and measures nothing. It is safe for concurrent use.
package claims

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Plan is the name of the plan whose trials decide.
const Plan = "claims"

// Verdict is the answer to a claim.
type Verdict string

// The verdicts.
const (
	Confirmed   Verdict = "confirmed"
	Refuted     Verdict = "refuted"
	Undecidable Verdict = "not decidable here"
	// Unpublished is the answer where there is no figure to hold against ours.
	Unpublished Verdict = "nothing was published"
)

// Factor is by how much a ratio of ours may differ from the published one.
const Factor = 1.5

// Claim is a published statement.
type Claim struct {
	Number int
	Who    string // a short name
	Where  string // an address, or the publication
	Setup  string // theirs
	// Published is the figure as text, and Ratios the same as numbers where it is one.
	Published string
	Ratios    []float64
	Scenarios []string // of the plan
	Rule      string   // what confirms and what refutes it

	decide func(*Claim, evidence) finding
}

// Outcome is the answer to a claim on one kernel.
type Outcome struct {
	Claim   *Claim
	Kernel  record.Kernel
	Machine string // emulated, kvm, native
	Ours    string // figures, with units
	Verdict Verdict
	Reason  string // in one line
}

// finding is what a claim's rule makes of the evidence.
type finding struct {
	verdict Verdict
	ours    string
	reason  string
}

// Table are the claims, in their order.
func Table() []Claim { return slices.Clone(table) }

// Decide returns the outcome of each claim for each kernel that has trials of the plan, in
// the order in which the kernels appear.
func Decide(trials []record.Trial) []Outcome {
	type key struct{ want, machine string }
	var order []key
	groups := map[key][]*record.Trial{}
	for i := range trials {
		t := &trials[i]
		if t.Trial.Plan != Plan {
			continue
		}
		at := key{t.Kernel.Want, machineOf(&t.Machine)}
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], t)
	}
	var all []Outcome
	for _, at := range order {
		kernel := kernelOf(groups[at])
		for i := range table {
			c := &table[i]
			f := c.of(groups[at])
			all = append(all, Outcome{c, kernel, at.machine, cmp.Or(f.ours, "-"), f.verdict, oneLine(f.reason)})
		}
	}
	return all
}

// of decides the claim by the trials of one kernel.
func (c *Claim) of(trials []*record.Trial) finding {
	e, why := collect(c.Scenarios, trials)
	if why != "" {
		return finding{verdict: Undecidable, reason: why}
	}
	return c.decide(c, e)
}

// kernelOf is the kernel with its release, if one of the trials has it.
func kernelOf(trials []*record.Trial) record.Kernel {
	for _, t := range trials {
		if t.Kernel.Release != "" {
			return t.Kernel
		}
	}
	return trials[0].Kernel
}

func machineOf(m *record.Machine) string {
	switch {
	case m.Backend == record.Host:
		return "native"
	case m.Accel == "tcg":
		return "emulated"
	}
	return m.Accel
}

// mostReason bounds a reason that a kernel or a user wrote.
const mostReason = 300

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > mostReason {
		text = string(runes[:mostReason]) + "..."
	}
	return text
}
