// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/verdict"
)

// causes describes the losses of a side that have another cause than a full ring: its
// reader has no ring of a CPU. They are by design of the transport, or of its reader.
func causes(s *verdict.Side) string {
	if len(s.Total.FailedCPUs) == 0 || s.Total.Emitted == 0 {
		return ""
	}
	var parts []string
	lost := uint64(0)
	for _, errno := range slices.Sorted(maps.Keys(s.Total.FailedCPUs)) {
		lost += s.Total.Failed[errno]
		parts = append(parts, fmt.Sprintf("%s on %s (%s)", errno, cpuList(s.Total.FailedCPUs[errno]), s.Cell.Transport.Spec().Family.CauseOf(errno)))
	}
	return fmt.Sprintf("%s: %s lost, %s", s.Configuration(), value("share", float64(lost)/float64(s.Total.Emitted)), strings.Join(parts, ", "))
}

func cpuList(cpus []int) string {
	var all []string
	for _, cpu := range cpus {
		all = append(all, fmt.Sprint(cpu))
	}
	if len(all) == 1 {
		return "CPU " + all[0]
	}
	return "CPUs " + strings.Join(all, ", ")
}

// causesOf describes such losses of all cases of an answer, each once.
func causesOf(a *verdict.Answer) []string {
	var all []string
	for i := range a.Cases {
		c := &a.Cases[i]
		for _, s := range c.Sides() {
			if text := causes(s); text != "" {
				if c.Scenario != "" {
					text += ", " + strings.ReplaceAll(c.Scenario, "-", " ")
				}
				if !slices.Contains(all, text) {
					all = append(all, text)
				}
			}
		}
	}
	return all
}
