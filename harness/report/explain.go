// SPDX-License-Identifier: MIT

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Explain writes by which functions two profiles differ. The model is that of cycles, where
// the profiles have misses.
func Explain(w io.Writer, a, b *profile.Side, model *profile.Model) error {
	if err := ProfileText(w, a.Name(), b.Name(), a.Profile, b.Profile); err != nil {
		return err
	}
	if err := modelText(w, a.Profile, b.Profile, model); err != nil {
		return err
	}
	if err := sharedText(w, a.Profile, b.Profile); err != nil {
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

// Modelled reports whether two profiles have misses of the same caches, and so cycles of a
// model.
func Modelled(a, b *record.Profile) bool { return a.Caches != "" && a.Caches == b.Caches }

// modelText writes misses and cycles of the model of caches, if both have the same.
func modelText(w io.Writer, a, b *record.Profile, model *profile.Model) error {
	if !Modelled(a, b) {
		return nil
	}
	fmt.Fprintf(w, "\nmodel, an event: caches %s (L1D,L1I,L2);\n%s (instructions a cycle, else cycles);\nno time: nothing overlaps, and the costs are those of one machine\n", a.Caches, model)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tA\tB\tB/A\t")
	for _, part := range profile.Parts() {
		of, with := profile.Total(a, part), profile.Total(b, part)
		row := func(what string, x, y float64) {
			ratio := "-"
			if x > 0 {
				ratio = fmt.Sprintf("%.2f", y/x)
			}
			fmt.Fprintf(t, "%s: %s\t%.1f\t%.1f\t%s\t\n", part.Name, what, x, y, ratio)
		}
		row("instructions", of[record.Instructions], with[record.Instructions])
		row("misses of L1D", of[record.L1DMisses], with[record.L1DMisses])
		row("prefetched of L1D", of[record.L1DStreamed], with[record.L1DStreamed])
		row("misses of L1I", of[record.L1IMisses], with[record.L1IMisses])
		row("misses of L2", of[record.L2Misses], with[record.L2Misses])
		row("prefetched of L2", of[record.L2Streamed], with[record.L2Streamed])
		for _, class := range profile.Classes() {
			row(strings.ReplaceAll(record.ProfileCounters()[class], "_", " "), of[class], with[class])
		}
		row("cycles (model)", model.Cycles(of), model.Cycles(with))
	}
	return t.Flush()
}

// sharedText writes what CPUs share, where there are several.
func sharedText(w io.Writer, a, b *record.Profile) error {
	rows := []struct {
		counter int
		what    string
	}{
		{record.Transfers, "lines that another CPU wrote last"},
		{record.Locks, "locks taken"},
		{record.Held, "instructions until they were released"},
		{record.HeldTransfers, "lines from other CPUs until then"},
	}
	var lines []string
	for _, part := range profile.Parts() {
		of, with := profile.Total(a, part), profile.Total(b, part)
		for _, row := range rows {
			if x, y := of[row.counter], with[row.counter]; x != 0 || y != 0 {
				lines = append(lines, fmt.Sprintf("%s: %s\t%.1f\t%.1f\t%+.1f\t", part.Name, row.what, x, y, y-x))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nwhat several CPUs share, an event; all locks, not only the ring's:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tA\tB\tB-A\t\n%s\n", strings.Join(lines, "\n"))
	return t.Flush()
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
