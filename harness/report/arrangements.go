// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/agents"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// arrangement is the sides of one name on a kernel, in all scenarios.
type arrangement struct {
	name  string
	sides []placed
}

// placed is a side with its comparison.
type placed struct {
	of   *verdict.Comparison
	side *verdict.Side
}

// arrangements are tables of what agents run, one for each kernel: a row for each agent,
// whichever it was a pair with. None where no side is an agent's.
func arrangements(comparisons []verdict.Comparison) []drawn {
	var kernels []string
	rows := map[string][]*arrangement{}
	scenarios := map[string][]string{}
	agent := false
	for i := range comparisons {
		c := &comparisons[i]
		kernel := kernelName(c)
		if rows[kernel] == nil {
			kernels = append(kernels, kernel)
		}
		if !slices.Contains(scenarios[kernel], c.Scenario) {
			scenarios[kernel] = append(scenarios[kernel], c.Scenario)
		}
		for _, s := range c.Sides() {
			agent = agent || s.Cell.Agent != ""
			name := s.Configuration()
			var row *arrangement
			for _, r := range rows[kernel] {
				if r.name == name {
					row = r
				}
			}
			if row == nil {
				row = &arrangement{name: name}
				rows[kernel] = append(rows[kernel], row)
			}
			row.sides = append(row.sides, placed{c, s})
		}
	}
	if !agent {
		return nil
	}
	var all []drawn
	for _, kernel := range kernels {
		all = append(all, drawn{Title: kernel + ": what agents run", Table: arrangementTable(rows[kernel], scenarios[kernel])})
	}
	return all
}

// shownOf are the metrics of an arrangement, after what was lost.
var shownOf = []string{
	"latency_p50", "latency_p99", "instructions_per_event", "consumer_instructions_per_event", "producer_ns_per_event",
	"consumer_cpu_ns_per_event", "reorder_window", memorySlug,
}

const memorySlug = "memory_bytes"

func arrangementTable(rows []*arrangement, scenarios []string) grid {
	g := grid{Head: []string{"", "transport", "rings"}}
	for _, row := range rows {
		s := row.sides[0].side
		g.Rows = append(g.Rows, []string{agentName(row.name), transportOf(&s.Cell), ringsOf(&s.Cell)})
	}
	column := func(head string, of func(first, p placed) string) {
		var cells []string
		empty := true
		for _, row := range rows {
			text := ""
			for _, p := range row.sides {
				if seen := of(row.sides[0], p); seen != "" {
					text, empty = seen, false
					break
				}
			}
			cells = append(cells, text)
		}
		if empty {
			return
		}
		g.Head = append(g.Head, head)
		for i := range cells {
			if cells[i] == "" {
				cells[i] = "-"
			}
			g.Rows[i] = append(g.Rows[i], cells[i])
		}
	}
	for _, scenario := range scenarios {
		column(scenario+": lost", func(_, p placed) string {
			t := p.side.Total
			if p.of.Scenario != scenario || t.Emitted == 0 {
				return ""
			}
			return value("share", float64(t.Lost())/float64(t.Emitted))
		})
	}
	paced := slices.ContainsFunc(rows, func(row *arrangement) bool {
		return slices.ContainsFunc(row.sides, func(p placed) bool { return p.side.Cell.RateHz > 0 })
	})
	for _, slug := range shownOf {
		m, _ := verdict.MetricNamed(slug)
		column(m.Name, func(first, p placed) string {
			row := p.of.Row(slug)
			if row == nil || paced && p.side.Cell.RateHz == 0 || slug == memorySlug && p.side.Cell.RingBytesTotal != first.side.Cell.RingBytesTotal {
				// Figures of one scenario, and the memory of the rings that are shown: on
				// another number of CPUs they have another size.

				return ""
			}
			figure := row.A
			if p.side == &p.of.B {
				figure = row.B
			}
			if math.IsNaN(figure) {
				return ""
			}
			return value(m.Unit, figure)
		})
	}
	return g
}

// agentName is the name of an agent, or what the configuration is called.
func agentName(configuration string) string {
	if a, ok := agents.Named(configuration); ok {
		return a.Name
	}
	return configuration
}

// transportOf is the arrangement in a plan's words.
func transportOf(c *record.Cell) string {
	plain := *c
	plain.Agent = ""
	return plain.Configuration()
}

// ringsOf is the number of rings and the size of each.
func ringsOf(c *record.Cell) string {
	if c.RingBytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%d x %s", c.RingBytesTotal/c.RingBytes, strings.TrimSpace(value("bytes", float64(c.RingBytes))))
}
