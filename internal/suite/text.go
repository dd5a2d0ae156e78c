// SPDX-License-Identifier: MIT

package suite

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Text writes what differs between kernels, then what fails on all, then a table of
// packages and kernels.
func (r *Results) Text(w io.Writer) error {
	var b strings.Builder
	differ, failed := r.Compare()
	if len(differ) > 0 {
		b.WriteString("Differs between kernels:\n\n")
		r.table(&b, "test", differ)
		b.WriteByte('\n')
		r.outputs(&b, differ)
	}
	if len(failed) > 0 {
		b.WriteString("Fails on every kernel where it ran:\n\n")
		r.outputs(&b, failed)
	}
	r.summary(&b)
	if r.Verbose {
		r.all(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes rows by kernel.
func (r *Results) table(b *strings.Builder, head string, rows []Row) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head+"\t"+strings.Join(r.Work.Kernels, "\t"))
	for i := range rows {
		cells := []string{rows[i].Name()}
		for k := range r.Work.Kernels {
			cells = append(cells, rows[i].Cell(k))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // to a string
}

// mostLines bounds the output of a test.
const mostLines = 100

// outputs writes the output of each row on the first kernel where it is worst.
func (r *Results) outputs(b *strings.Builder, rows []Row) {
	for i := range rows {
		row := &rows[i]
		worst := row.worst()
		if worst == Passed {
			worst = Skipped // which says why
		}
		var on []string
		output := ""
		for k, state := range row.States {
			if state == worst {
				if on = append(on, r.Work.Kernels[k]); len(on) == 1 {
					output = row.Outputs[k]
				}
			}
		}
		fmt.Fprintf(b, "--- %s: %s on %s\n", row.Name(), worst, strings.Join(on, ", "))
		for _, line := range lastLines(output) {
			b.WriteString("    " + line + "\n")
		}
		b.WriteByte('\n')
	}
}

// lastLines are at most [mostLines] of a text, without those that go test writes about
// every test.
func lastLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if word := strings.TrimSpace(line); word == "" || strings.HasPrefix(word, "=== ") {
			continue
		}
		lines = append(lines, line)
	}
	if out := len(lines) - mostLines; out > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines before: see units.jsonl)", out)}, lines[out:]...)
	}
	return lines
}

// summary writes the table of packages and kernels, and counts.
func (r *Results) summary(b *strings.Builder) {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "package\t"+strings.Join(r.Work.Kernels, "\t"))
	for _, p := range r.Work.Packages {
		fmt.Fprintln(t, p.Path+"\t"+strings.Join(r.cells(&p), "\t"))
	}
	_ = t.Flush() // to a string
	for line := range strings.Lines(text.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	fmt.Fprintf(b, "\n%s\n", r.Counts())
}

// all writes everything that the programs wrote.
func (r *Results) all(b *strings.Builder) {
	for _, key := range r.Work.All() {
		if u := r.Units[key]; u != nil {
			fmt.Fprintf(b, "\n--- %s on %s: %s\n%s", key.Package, key.Kernel, u.Words(), u.Output())
		}
	}
}

// cells are a package's results by kernel.
func (r *Results) cells(p *Package) []string {
	if p.Reason != "" { // beside empty cells, for a table has them all
		return append([]string{p.Reason}, make([]string, max(len(r.Work.Kernels)-1, 0))...)
	}
	var cells []string
	for _, kernel := range r.Work.Kernels {
		cells = append(cells, r.Units[Key{kernel, p.Path}].Words())
	}
	return cells
}

// Words are what a unit came to, for a cell or a line of progress.
func (u *Unit) Words() string {
	if u == nil {
		return string(NotRun)
	}
	if u.Unbuilt != "" {
		return "does not build"
	}
	count := map[State]int{}
	tests := u.Tests()
	for _, t := range tests {
		count[t.State]++
	}
	switch {
	case u.reason() != "":
		return string(u.reason())
	case count[Failed] > 0:
		return fmt.Sprintf("%d of %d failed", count[Failed], len(tests))
	case u.Code != 0:
		return fmt.Sprintf("exit code %d", u.Code)
	case len(tests) == 0:
		return "ok, no tests"
	case count[Skipped] > 0:
		return fmt.Sprintf("ok %d, %d skipped", count[Passed], count[Skipped])
	}
	return fmt.Sprintf("ok %d", count[Passed])
}

// Counts are the numbers of units and tests in a line.
func (r *Results) Counts() string {
	count := map[State]int{}
	run := 0
	for _, key := range r.Work.All() {
		u := r.Units[key]
		if u == nil {
			continue
		}
		if u.reason() != cancelled {
			run++
		}
		for _, t := range u.Tests() {
			count[t.State]++
		}
	}
	text := fmt.Sprintf("%d of %d packages on kernels were run; tests: %d passed", run, len(r.Work.All()), count[Passed])
	for _, s := range []State{Failed, Skipped, Splat, Lost} {
		if count[s] > 0 {
			text += fmt.Sprintf(", %d %s", count[s], s)
		}
	}
	return text
}
