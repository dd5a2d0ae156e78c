// SPDX-License-Identifier: MIT

package report

import (
	"encoding/json"
	"io"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Explain writes by which functions two profiles differ.
func Explain(w io.Writer, a, b *profile.Side) error {
	return ProfileText(w, a.Name(), b.Name(), a.Profile, b.Profile)
}

// explained is the same for programs; figures are of one event.
type explained struct {
	A     string          `json:"a"`
	B     string          `json:"b"`
	Parts []explainedPart `json:"parts"`
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
	e := explained{A: a.Name(), B: b.Name()}
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
