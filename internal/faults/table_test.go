// SPDX-License-Identifier: MIT

package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is the result of all runs of a fault.
type row struct {
	fault    *fault
	findings []*finding
}

// table shows the campaign as Markdown.
func table(rows []row) string {
	lines := [][]string{{"fault", "runs", "classified as", "records lost", "processes left", "files left", "slowest, of its limit", "tool's memory"}}
	for _, r := range rows {
		lost, processes, files, peak := 0, 0, 0, 0
		var slowest *finding
		for _, f := range r.findings {
			lost, processes, files, peak = lost+f.lost, processes+f.processes, files+f.files, max(peak, f.peakKiB)
			if slowest == nil || f.took.Seconds()/f.limit.Seconds() > slowest.took.Seconds()/slowest.limit.Seconds() {
				slowest = f
			}
		}
		if slowest == nil {
			continue
		}
		lines = append(lines, []string{
			r.fault.name, fmt.Sprint(len(r.findings)), r.called(), fmt.Sprint(lost), fmt.Sprint(processes), fmt.Sprint(files),
			fmt.Sprintf("%.1f s of %.0f s", slowest.took.Seconds(), slowest.limit.Seconds()), fmt.Sprintf("%d MiB", peak>>10),
		})
	}
	return align(lines)
}

// called counts the names that the runs got, the most frequent first.
func (r row) called() string {
	count := map[string]int{}
	var names []string
	for _, f := range r.findings {
		if count[f.called]++; count[f.called] == 1 {
			names = append(names, f.called)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, count[name])
	}
	return strings.Join(names, ", ")
}

func align(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], len(text))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, text := range line {
			fmt.Fprintf(&b, "| %-*s ", widths[i], text)
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("| " + strings.Repeat("-", width) + " ")
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// head describes the table, and how to reproduce it.
func head(seed uint64, runs, late int, took time.Duration, kernel string) string {
	return fmt.Sprintf("faults on %s: seed %d, %d runs of each, %.0f s; to repeat: make faults SEED=%d RUNS=%d\n"+
		"%d faults came when all was measured, and were tried again\n\n", kernel, seed, runs, took.Seconds(), seed, runs, late)
}
