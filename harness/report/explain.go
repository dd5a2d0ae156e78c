// SPDX-License-Identifier: MIT

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Explain writes by which functions two profiles differ.
func Explain(w io.Writer, a, b *profile.Side) error {
	if err := ProfileText(w, a.Name(), b.Name(), a.Profile, b.Profile); err != nil {
		return err
	}
	causes := profile.CausesOf(a, b)
	if len(causes) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nKnown changes of these functions between the two kernels, and what they do to the program of either\ntransport:\n")
	for i := range causes {
		c := &causes[i]
		fmt.Fprintf(w, "  %-5s %s%s\n        %s: %s\n", c.Since, c.What, inParentheses(c.Commit), strings.Join(c.Functions, ", "), c.Effect)
	}
	_, err := fmt.Fprintln(w)
	return err
}

func inParentheses(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// explained is the same for programs; figures are of one event.
type explained struct {
	A     string          `json:"a"`
	B     string          `json:"b"`
	Parts []explainedPart `json:"parts"`
	// Causes are known changes of the functions between the two kernels.
	Causes []profile.Cause `json:"causes,omitempty"`
}

type explainedPart struct {
	Part      string           `json:"part"`
	Counters  []string         `json:"counters"`
	A         profile.PerEvent `json:"a"`
	B         profile.PerEvent `json:"b"`
	Functions []profile.Change `json:"functions"`
}

// ExplainJSON writes all functions of two profiles, those that make the largest
// difference first.
func ExplainJSON(w io.Writer, a, b *profile.Side) error {
	e := explained{A: a.Name(), B: b.Name(), Causes: profile.CausesOf(a, b)}
	for _, part := range profile.Parts() {
		e.Parts = append(e.Parts, explainedPart{
			Part: part.Name, Counters: record.ProfileCounters(),
			A: profile.Total(a.Profile, part), B: profile.Total(b.Profile, part),
			Functions: profile.Compare(a.Profile, b.Profile, part),
		})
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(e)
}
