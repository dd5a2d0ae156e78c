// SPDX-License-Identifier: MIT

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// setLines report what was compared, and what could not be.
func setLines(c *verdict.SetComparison) []string {
	all := []string{plural(len(c.Comparisons), "comparison")}
	for i, text := range []string{c.A, c.B} {
		all = append(all, fmt.Sprintf("%c: %s", 'A'+i, text))
	}
	if len(c.Differ) > 0 {
		all = append(all, "they differ in "+strings.Join(c.Differ, "; "))
	}
	for i, n := range c.Unmeasured {
		if n > 0 {
			all = append(all, fmt.Sprintf("%s of %c not measured", plural(n, "trial"), 'A'+i))
		}
	}
	all = append(append(all, c.Refused...), c.Marked...)
	const most = 20
	for i, text := range c.Alone {
		if i == most {
			all = append(all, fmt.Sprintf("and %d more that one side has alone", len(c.Alone)-most))
			break
		}
		all = append(all, "one side has it alone: "+text)
	}
	return all
}

// gateLine reports the result of a gate.
func gateLine(r *verdict.GateResult) string {
	show := func(x float64) string { return fmt.Sprintf("%+.3g %%", x*100) }
	switch {
	case r.Refused != "":
		return fmt.Sprintf("gate %s: not decided on %s: %s", r.Gate, r.Where(), r.Refused)
	case r.Failed:
		text := fmt.Sprintf("gate %s: FAILED on %s: %s, %s, that is %s", r.Gate, r.Where(), figureA(r), figureB(r), show(r.Worse))
		if r.Row.Interval && r.Certain != r.Worse {
			text += fmt.Sprintf(", at least %s", show(r.Certain))
		}
		return text
	}
	return fmt.Sprintf("gate %s: passed on %s: %s", r.Gate, r.Where(), show(r.Worse))
}

// GateProblems are the gates that failed, or refused to decide.
func GateProblems(gates []verdict.GateResult) []problem.Problem {
	var all []problem.Problem
	for i := range gates {
		switch r := &gates[i]; {
		case r.Failed:
			all = append(all, problem.New(problem.Gate, r.Comparison.Kernel.Want, "%s", strings.TrimPrefix(gateLine(r), "gate ")))
		case r.Refused != "":
			all = append(all, problem.New(problem.Undecided, r.Comparison.Kernel.Want, "%s", gateLine(r)))
		}
	}
	return all
}

func figureA(r *verdict.GateResult) string {
	return fmt.Sprintf("%s %s in A", r.Comparison.A.Label, value(r.Row.Metric.Unit, r.Row.A))
}

func figureB(r *verdict.GateResult) string {
	return fmt.Sprintf("%s %s in B", r.Comparison.B.Label, value(r.Row.Metric.Unit, r.Row.B))
}

// SetsTerminal writes comparisons of sets, and the results of gates, as text.
func SetsTerminal(w io.Writer, c *verdict.SetComparison, gates []verdict.GateResult) error {
	var b strings.Builder
	for _, line := range setLines(c) {
		fmt.Fprintln(&b, line)
	}
	for i := range c.Comparisons {
		terminalSection(&b, &c.Comparisons[i])
	}
	if len(gates) > 0 {
		b.WriteString("\n")
	}
	for i := range gates {
		fmt.Fprintln(&b, gateLine(&gates[i]))
	}
	_, err := io.WriteString(w, strings.Map(harmless, b.String()))
	return err
}

// SetsMarkdown is [SetsTerminal] as Markdown.
func SetsMarkdown(w io.Writer, c *verdict.SetComparison, gates []verdict.GateResult) error {
	var b strings.Builder
	b.WriteString("# A and B\n\n")
	for _, line := range setLines(c) {
		fmt.Fprintf(&b, "- %s\n", cell(line))
	}
	for i := range gates {
		fmt.Fprintf(&b, "- %s\n", cell(gateLine(&gates[i])))
	}
	for i := range c.Comparisons {
		section(&b, &c.Comparisons[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// jsonSets is the format of [SetsJSON].
type jsonSets struct {
	A           string           `json:"a"`
	B           string           `json:"b"`
	Differ      []string         `json:"differ"`
	Refused     []string         `json:"refused"`
	Alone       []string         `json:"alone"`
	Marked      []string         `json:"marked"`
	Unmeasured  [2]int           `json:"unmeasured"` // of A and of B
	Comparisons []jsonComparison `json:"comparisons"`
	Gates       []jsonGate       `json:"gates"`
}

type jsonComparison struct {
	Kernel   string    `json:"kernel"`
	KernelB  string    `json:"kernel_b,omitempty"`
	Plan     string    `json:"plan"`
	Scenario string    `json:"scenario,omitempty"`
	A        jsonSide  `json:"a"`
	B        jsonSide  `json:"b"`
	Clock    string    `json:"clock"`
	Accel    string    `json:"accel"`
	Rows     []jsonRow `json:"rows"`
}

type jsonSide struct {
	Label     string          `json:"label"`
	Transport vocab.Transport `json:"transport"`
	Policy    vocab.Policy    `json:"policy"`
	Workload  vocab.Workload  `json:"workload"`
	Payload   int             `json:"payload_bytes"`
	RingBytes int             `json:"ring_bytes"`
	Trials    int             `json:"trials"`
	Emitted   uint64          `json:"emitted"`
	Delivered uint64          `json:"delivered"`
	Lost      uint64          `json:"lost"`
}

// jsonRow has null where there is no figure.
type jsonRow struct {
	Metric     string   `json:"metric"`
	Unit       string   `json:"unit"`
	A          *float64 `json:"a"`
	B          *float64 `json:"b"`
	Ratio      *float64 `json:"ratio,omitempty"`      // B to A
	Difference *float64 `json:"difference,omitempty"` // B - A, where 0 is a good value
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Interval   bool     `json:"interval"` // 95 %; else the range of the blocks
	P          *float64 `json:"p"`
	Noise      *float64 `json:"noise"`
	Blocks     int      `json:"blocks"`
	Verdict    string   `json:"verdict"`
	More       int      `json:"more_blocks,omitempty"`
	MoreNS     int64    `json:"more_ns,omitempty"`
}

type jsonGate struct {
	Gate    string   `json:"gate"`
	Where   string   `json:"where"`
	Failed  bool     `json:"failed"`
	Refused string   `json:"refused,omitempty"`
	Worse   *float64 `json:"worse"`
	Certain *float64 `json:"certain"`
}

// finite is nil for values that JSON cannot represent.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// SetsJSON is [SetsTerminal] for programs.
func SetsJSON(w io.Writer, c *verdict.SetComparison, gates []verdict.GateResult) error {
	all := jsonSets{
		A: c.A, B: c.B, Differ: list(c.Differ), Refused: list(c.Refused), Alone: list(c.Alone), Marked: list(c.Marked), Unmeasured: c.Unmeasured,
		Comparisons: []jsonComparison{}, Gates: []jsonGate{},
	}
	for i := range c.Comparisons {
		all.Comparisons = append(all.Comparisons, jsonOf(&c.Comparisons[i]))
	}
	for i := range gates {
		g := &gates[i]
		all.Gates = append(all.Gates, jsonGate{
			Gate: g.Gate.String(), Where: g.Where(), Failed: g.Failed, Refused: g.Refused, Worse: finite(g.Worse), Certain: finite(g.Certain),
		})
	}
	return json.NewEncoder(w).Encode(all)
}

// list is never null.
func list(v []string) []string { return append([]string{}, v...) }

func jsonOf(c *verdict.Comparison) jsonComparison {
	j := jsonComparison{
		Kernel: c.Kernel.Want, KernelB: c.B.Kernel.Want, Plan: c.Plan, Scenario: c.Scenario, Clock: c.Machine.Clock, Accel: c.Machine.Accel,
		A: jsonSideOf(&c.A), B: jsonSideOf(&c.B), Rows: []jsonRow{},
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		row := jsonRow{
			Metric: r.Metric.Slug, Unit: r.Metric.Unit, A: finite(r.A), B: finite(r.B), Low: finite(r.Low), High: finite(r.High), Interval: r.Interval,
			P: finite(r.P), Noise: finite(r.Noise), Blocks: r.Blocks, Verdict: r.Answer(), More: max(0, r.More-r.Blocks), MoreNS: int64(r.MoreTime),
		}
		if r.Metric.Absolute {
			row.Difference = finite(r.Ratio)
		} else {
			row.Ratio = finite(r.Ratio)
		}
		j.Rows = append(j.Rows, row)
	}
	return j
}

func jsonSideOf(s *verdict.Side) jsonSide {
	return jsonSide{
		Label: s.Label, Transport: s.Cell.Transport, Policy: s.Cell.Policy, Workload: s.Cell.Workload, Payload: s.Cell.PayloadBytes,
		RingBytes: s.Cell.RingBytes, Trials: s.Total.Trials, Emitted: s.Total.Emitted, Delivered: s.Total.Delivered, Lost: s.Total.Lost(),
	}
}
