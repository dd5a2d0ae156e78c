// SPDX-License-Identifier: MIT

package size

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/harness/agents"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Answer is what all transports need for a load.
type Answer struct {
	Load   Load   `json:"load"`
	Events int    `json:"events"` // that wait
	Sizes  []Size `json:"sizes"`
	Agents []Held `json:"agents"`
}

// Held is whether the default size of an agent has room for the events.
type Held struct {
	Agent     string          `json:"agent"`
	Transport vocab.Transport `json:"transport"`
	// RingBytes, of each of Rings, and TotalBytes are 0 if they are not published.
	RingBytes  int `json:"ring_bytes,omitempty"`
	Rings      int `json:"rings,omitempty"`
	TotalBytes int `json:"total_bytes,omitempty"`
	Capacity   int `json:"capacity,omitempty"` // of one ring
	// Holds is nil if it is not known.
	Holds *bool `json:"holds,omitempty"`
}

// For answers for all transports and agents. Its error is one line.
func For(l Load) (*Answer, error) {
	n, err := l.Events()
	if err != nil {
		return nil, err
	}
	a := &Answer{Load: l, Events: n}
	for _, kind := range vocab.Transports() {
		s, err := Of(kind, l)
		if err != nil {
			return nil, err
		}
		a.Sizes = append(a.Sizes, s)
	}
	for _, agent := range agents.All() {
		h := Held{Agent: agent.Name, Transport: agent.Transport}
		if capacity, ok := agent.Capacity(l.CPUs, l.EventBytes); ok {
			h.RingBytes, h.Rings, h.TotalBytes = agent.RingBytes(l.CPUs), agent.Rings(l.CPUs), agent.TotalBytes(l.CPUs)
			h.Capacity, h.Holds = capacity, new(bool)
			*h.Holds = capacity >= n
		}
		a.Agents = append(a.Agents, h)
	}
	return a, nil
}

// What the proofs of an answer say.
var (
	ErrRefuted     = errors.New("a size was refuted")
	ErrNotMeasured = errors.New("a size was not measured")
)

// Err is [ErrRefuted] or [ErrNotMeasured] if a proof has that outcome.
func (a *Answer) Err() error {
	var err error
	for _, s := range a.Sizes {
		switch {
		case s.Proof == nil:
		case s.Proof.Outcome == Refuted:
			return ErrRefuted
		case s.Proof.Outcome == NotMeasured:
			err = ErrNotMeasured
		}
	}
	return err
}

// Write writes the answer as text, or as JSON.
func (a *Answer) Write(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(a)
	}
	l := a.Load
	fmt.Fprintf(w, "%s wait: %s\n", plural(a.Events, "event"), l.text(a.Events))
	for i := range a.Sizes {
		a.Sizes[i].write(w, l)
	}
	fmt.Fprintf(w, "\nagents with their default size, on %s, all events in one ring:\n", plural(l.CPUs, "CPU"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "agent\ttransport\trings\ttogether\ta ring takes\tholds")
	for _, h := range a.Agents {
		rings, total, capacity, holds := "not published", "-", "-", "-"
		if h.Holds != nil {
			rings, total, capacity = fmt.Sprintf("%d x %s", h.Rings, bytes(h.RingBytes)), bytes(h.TotalBytes), count(h.Capacity)
			if holds = "no"; *h.Holds {
				holds = "yes"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Agent, h.Transport, rings, total, capacity, holds)
	}
	return t.Flush()
}

func (s *Size) write(w io.Writer, l Load) {
	if s.Why != "" {
		fmt.Fprintf(w, "\n%s: %s\n", s.Transport, s.Why)
		return
	}
	rings := "1 ring"
	if s.Rings > 1 {
		rings = fmt.Sprintf("%d rings x %s = %s", s.Rings, bytes(s.RingBytes), bytes(s.TotalBytes))
	} else {
		rings += " of " + bytes(s.RingBytes)
	}
	fmt.Fprintf(w, "\n%s: %s\n  %s\n  decided by %s\n", s.Transport, rings, s.formula(), s.dominant(l))
	if s.Proof != nil {
		fmt.Fprintf(w, "  %s\n", s.Proof.text())
	}
}
