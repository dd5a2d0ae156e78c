// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

//go:embed flame.css
var flameStyle string

//go:embed flame.tmpl
var flameText string

// Limits of a page: beyond graphBytes profiles have only their tables, and of more than
// mostProfiles the rest is left out.
const (
	graphBytes   = 1 << 20
	mostProfiles = 200
)

// profiled is the profiles of a comparison.
type profiled struct {
	Title string
	Open  bool
	Notes []string
	Parts []profiledPart
}

// profiledPart is the program or the reader.
type profiledPart struct {
	Name   string
	Why    string // there are no figures
	Table  grid
	Graphs []flame
}

// profiles are those of all comparisons in virtual time of which both sides have any, and
// how many more are left out.
func profiles(comparisons []verdict.Comparison) (all []profiled, more int) {
	spent := 0
	for i := range comparisons {
		c := &comparisons[i]
		if c.Machine.Clock != record.Virtual {
			continue
		}
		a, b := merged(verdict.Trials(comparisons[i : i+1]))
		if a == nil || b == nil {
			continue
		}
		if len(all) == mostProfiles {
			more++
			continue
		}
		p := profiled{Title: title(c), Open: len(all) == 0}
		graphs := spent < graphBytes
		if !graphs {
			p.Notes = append(p.Notes, "The graphs are left out, so that the page stays small.")
		}
		for _, part := range profile.Parts() {
			shown := profiledPart{Name: part.Name, Why: noEvents(a, b, part)}
			if shown.Why == "" {
				shown.Table = changes(a, b, part)
				shown.Table.Head = []string{"function", "A: " + head(&c.A), "B: " + head(&c.B), "B-A"}
			}
			if shown.Why == "" && graphs {
				shown.Graphs = graphsOf(c, a, b, part)
				for i := range shown.Graphs {
					spent += shown.Graphs[i].bytes()
				}
			}
			p.Parts = append(p.Parts, shown)
		}
		all = append(all, p)
	}
	return all, more
}

// merged are the profiles of the trials of either side that are ok.
func merged(trials []record.Trial) (a, b *record.Profile) {
	var sides [2][]*record.Profile
	for i := range trials {
		t := &trials[i]
		if t.Status != record.OK || t.Profile == nil {
			continue
		}
		side := 0
		if t.Trial.Side == "B" || t.Trial.Side == "" && t.Cell.Transport != vocab.Perf {
			side = 1
		}
		sides[side] = append(sides[side], t.Profile)
	}
	return profile.Merge(sides[0]), profile.Merge(sides[1])
}

// leastScale is the smallest share of the full width that a graph has, so that it can be
// compared with the other one and still be read.
const leastScale = 0.3

// graphsOf are the graphs of A, of B, and of B against A.
func graphsOf(c *verdict.Comparison, a, b *record.Profile, part profile.Part) []flame {
	trees := [2]*profile.Node{profile.Tree(a, part), profile.Tree(b, part)}
	totals := [2]float64{trees[0].Inclusive[record.Instructions], trees[1].Inclusive[record.Instructions]}
	full := [2]float64{max(totals[0], totals[1]), max(totals[0], totals[1])}
	scale := "A and B have the same scale."
	if min(totals[0], totals[1]) < leastScale*full[0] {
		full, scale = totals, "A and B do not have the same scale."
	}
	var all []flame
	for i, side := range c.Sides() {
		f := flameOf(trees[i], nil, part.Name, full[i])
		f.caption(fmt.Sprintf("%c: %s, %s instructions per event", "AB"[i], side.Configuration(), one(totals[i])))
		all = append(all, f)
	}
	all[1].Notes = append(all[1].Notes, scale)
	f := flameOf(trees[1], trees[0], part.Name, totals[1])
	f.caption(fmt.Sprintf("B against A: %s instructions per event", more(totals[1]-totals[0])))
	f.Notes = append(f.Notes, onlyInA(a, b, part)...)
	return append(all, f)
}

func (f *flame) caption(text string) {
	f.Caption, f.Label = text, "Flame graph of "+text
	if len(f.Frames) == 0 {
		f.Notes = append(f.Notes, "Nothing is drawn: in sum there are no instructions above the control.")
	}
}

// bytes is about what the graph takes of the page.
func (f *flame) bytes() int {
	const markup = 60
	n := 0
	for i := range f.Frames {
		n += markup + len(f.Frames[i].Title) + len(f.Frames[i].Text)
	}
	return n
}

// onlyInA are the functions that B never executes, which the widths of B cannot show.
func onlyInA(a, b *record.Profile, part profile.Part) []string {
	of, with := profile.Functions(a, part), profile.Functions(b, part)
	type function struct {
		name string
		n    float64
	}
	var only []function
	for name, counts := range of {
		if _, ok := with[name]; !ok {
			only = append(only, function{name, counts[record.Instructions]})
		}
	}
	if len(only) == 0 {
		return nil
	}
	slices.SortFunc(only, func(x, y function) int {
		return cmp.Or(cmp.Compare(math.Abs(y.n), math.Abs(x.n)), cmp.Compare(x.name, y.name))
	})
	var words []string
	rest := 0.0
	for i, f := range only {
		if i < mostFunctions {
			words = append(words, fmt.Sprintf("%s (%s)", functionName(f.name), one(f.n)))
		} else {
			rest += f.n
		}
	}
	if n := len(only) - mostFunctions; n > 0 {
		words = append(words, fmt.Sprintf("%d more (%s)", n, one(rest)))
	}
	return []string{"Only in A, and therefore not drawn: " + strings.Join(words, ", ") + "."}
}
