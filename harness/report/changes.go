// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// mostFunctions is how many functions the table of a profile names.
const mostFunctions = 10

// changesHead is the head of the table of a profile.
var changesHead = []string{"function", "A", "B", "B-A"}

// changes is the table of the functions that differ most between two profiles, in
// instructions per event. Each column sums to what is printed as its sum: the row of the
// other functions is what the printed figures leave.
func changes(a, b *record.Profile, part profile.Part) grid {
	g := grid{Head: changesHead}
	left := [2]int64{tenths(profile.Total(a, part)), tenths(profile.Total(b, part))}
	sum := changeRow("sum", left)
	all := profile.Compare(a, b, part)
	named := all[:min(len(all), mostFunctions)]
	for i := range named {
		c := &named[i]
		row := [2]int64{tenths(c.A), tenths(c.B)}
		g.Rows = append(g.Rows, changeRow(functionName(c.Function), row))
		left[0], left[1] = left[0]-row[0], left[1]-row[1]
	}
	switch n := len(all) - len(named); {
	case n > 0:
		g.Rows = append(g.Rows, changeRow(plural(n, "other function"), left))
	case left != [2]int64{}:
		g.Rows = append(g.Rows, changeRow("rounding", left))
	}
	g.Rows = append(g.Rows, sum)
	return g
}

// tenths are the instructions of an event in units of 0.1, which is what is printed.
func tenths(counts profile.PerEvent) int64 {
	return int64(math.Round(10 * counts[record.Instructions]))
}

func changeRow(name string, of [2]int64) []string {
	return []string{name, tenthsText(of[0], false), tenthsText(of[1], false), tenthsText(of[1]-of[0], true)}
}

// tenthsText has one decimal; with sign, also a plus.
func tenthsText(n int64, sign bool) string {
	text := ""
	switch {
	case n < 0:
		text = "-"
	case n > 0 && sign:
		text = "+"
	}
	digits := strings.TrimPrefix(fmt.Sprint(n), "-")
	if len(digits) == 1 {
		digits = "0" + digits
	}
	return text + digits[:len(digits)-1] + "." + digits[len(digits)-1:]
}

// functionName is a function for readers: one line of at most [textWidth] columns, and
// never empty.
func functionName(name string) string {
	name = strings.TrimSpace(strings.ReplaceAll(clean(name), "\n", " "))
	if name == "" {
		return "[no name]"
	}
	return middle(name, textWidth)
}

// noEvents reports the sides without events in a part, of which there are no figures per
// event; empty: both have some.
func noEvents(a, b *record.Profile, part profile.Part) string {
	var sides []string
	for i, p := range []*record.Profile{a, b} {
		if of := part.Of(p); of.Per <= 0 || len(of.Stacks) == 0 {
			sides = append(sides, "AB"[i:i+1])
		}
	}
	if len(sides) == 0 {
		return ""
	}
	return "nothing was counted of " + strings.Join(sides, " and ")
}

// ProfileText writes for the program and for the reader the functions that differ most
// between the profiles of A and of B, in instructions per event, largest difference first.
// Lines have at most 100 columns. It returns an error without a profile of either.
func ProfileText(w io.Writer, nameA, nameB string, a, b *record.Profile) error {
	for i, p := range []*record.Profile{a, b} {
		if p == nil {
			return fmt.Errorf("write profiles: none of %c", "AB"[i])
		}
	}
	var text strings.Builder
	for i, part := range profile.Parts() {
		if i > 0 {
			text.WriteString("\n")
		}
		wrap(&text, fmt.Sprintf("%s, instructions per event: A is %s, B is %s", part.Name, middle(functionName(nameA), textWidth/2), middle(functionName(nameB), textWidth/2)))
		if why := noEvents(a, b, part); why != "" {
			wrap(&text, why)
			continue
		}
		terminalGrid(&text, aligned(changes(a, b, part)))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// aligned right-aligns all columns but the first, and cuts the first so that a row has at
// most [textWidth] columns.
func aligned(g grid) grid {
	rows := append([][]string{g.Head}, g.Rows...)
	widths := make([]int, len(g.Head))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	first := textWidth
	for _, n := range widths[1:] {
		first -= n + 2 // of terminalGrid
	}
	out := make([][]string, len(rows))
	for n, row := range rows {
		out[n] = []string{middle(row[0], max(first, 1))}
		for i, text := range row[1:] {
			out[n] = append(out[n], strings.Repeat(" ", widths[i+1]-utf8.RuneCountInString(text))+text)
		}
	}
	return grid{Head: out[0], Rows: out[1:]}
}

// middle cuts text in its middle to at most that many runes.
func middle(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	begin := most / 2
	end := len(runes) - (most - 1 - begin)
	return string(slices.Concat(runes[:begin], []rune("…"), runes[end:]))
}
