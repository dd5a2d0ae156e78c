// SPDX-License-Identifier: MIT

package docs_test

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/agents"
	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/claims"
	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/ledger"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// generated are the blocks that this test writes: their names, their pages, and their
// content. To add a table, add a line here and an empty block to the page.
var generated = map[string]struct {
	page    string
	content func(*testing.T) string
}{
	"commands":   {"../README.md", commands},
	"limits":     {"machines.md", limits},
	"metrics":    {"verdicts.md", metrics},
	"ledger":     {"method.md", invariants},
	"plans":      {"plans.md", plans},
	"claims":     {"claims.md", published},
	"policies":   {"plans.md", policies},
	"readers":    {"plans.md", readers},
	"agents":     {"variants.md", arrangements},
	"statements": {"statements.md", statements},
	"transports": {"plans.md", transports},
	"axes":       {"plans.md", axes},
	"sources":    {"kernels.md", sources},
	"formats":    {"output.md", formats},
	"functions":  {"why.md", functions},
	"causes":     {"why.md", causes},
	"transfers":  {"contention.md", transfers},
	"contention": {"contention.md", contended},
	"native":     {"contention.md", native},
}

// elsewhere are the blocks that tests of other packages write, which need what those
// do not export.
var elsewhere = map[string]string{"faults": "internal/faults", "host": "cmd/ringtwin"}

// TestGenerated: -update writes the blocks anew.
func TestGenerated(t *testing.T) {
	for name, block := range generated {
		t.Run(name, func(t *testing.T) { golden.Block(t, block.page, name, block.content(t)) })
	}
	for _, page := range pages(t) {
		for _, name := range golden.BlockNames(read(t, page)) {
			if block, ok := generated[name]; elsewhere[name] == "" && !(ok && block.page == filepath.ToSlash(page)) {
				t.Errorf("%s: nothing generates the block %q", page, name)
			}
		}
	}
}

// TestPackages: the design has every package of the two layers.
func TestPackages(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(root, "*", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	design := read(t, "design.md")
	for _, dir := range dirs {
		name, err := filepath.Rel(root, filepath.Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		layer, _, _ := strings.Cut(name, "/")
		if (layer == "harness" || layer == "vmtest") && !strings.Contains(design, "`"+name+"`") {
			t.Errorf("design.md does not have %s", name)
		}
	}
}

// functions are the published costs by function: see make results.
func functions(t *testing.T) string {
	all, err := report.ReadLines[report.FunctionCosts]([]byte(read(t, "results/functions.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	return report.FunctionTables(all)
}

// shares is what producers share, as make results published it.
func shares(t *testing.T) []report.ContentionCost {
	all, err := report.ReadLines[report.ContentionCost]([]byte(read(t, "results/contention.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func transfers(t *testing.T) string { return report.TransferTable(shares(t)) }

func contended(t *testing.T) string {
	text, err := report.ContentionTables(shares(t))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func native(t *testing.T) string {
	text, err := report.NativeTable(shares(t), "6.18")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestContentionChart: the chart is the one of the counts beside it; -update draws it anew.
func TestContentionChart(t *testing.T) {
	chart, err := report.ContentionChart(shares(t))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "results/contention.svg", string(chart))
}

func causes(*testing.T) string {
	var rows [][]string
	for _, c := range profile.Causes() {
		commit := ""
		if c.Commit != "" {
			commit = fmt.Sprintf("[`%s`](https://git.kernel.org/linus/%s)", c.Commit, c.Commit)
		}
		rows = append(rows, []string{c.Since, escape(c.What), commit, "`" + strings.Join(c.Functions, "`, `") + "`", escape(c.Effect)})
	}
	return table([]string{"since", "what changed", "commit", "functions", "instructions"}, rows)
}

// table is one in Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// escape makes text harmless in a cell.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// plans have their description in the comment above them, of which a table shows the
// first sentence.
func plans(t *testing.T) string {
	var rows [][]string
	names := plan.Names()
	slices.SortStableFunc(names, func(a, b string) int { // the default comes first
		return cmp.Compare(bool2int(b == plan.Default), bool2int(a == plan.Default))
	})
	for _, name := range names {
		path := filepath.Join(root, "harness/plan/plans", name+".yaml")
		about, _, _ := strings.Cut(leadingComment(read(t, path)), ". ")
		if about == "" {
			t.Errorf("%s begins with no comment", path)
		}
		p, err := plan.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		configurations, err := p.Configurations(machineCPUs)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, []string{fmt.Sprintf("[`%s`](../harness/plan/plans/%s.yaml)", name, name), fmt.Sprint(len(configurations)), escape(strings.TrimSuffix(about, ".") + ".")})
	}
	return table([]string{"plan", "configurations", "purpose"}, rows)
}

// machineCPUs is how many CPUs a machine has if no flag says so.
const machineCPUs = 2

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

// leadingComment is the first paragraph of comments in a file of YAML, in a line.
func leadingComment(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "#")
		if !ok || strings.TrimSpace(rest) == "" {
			break
		}
		words = append(words, strings.Fields(rest)...)
	}
	return strings.Join(words, " ")
}

// published are the claims, what decides them, and how.
func published(*testing.T) string {
	var rows [][]string
	for _, c := range claims.Table() {
		who := escape(c.Who) + ": " + escape(c.Where)
		if strings.Contains(c.Where, "://") {
			who = fmt.Sprintf("[%s](%s)", escape(c.Who), c.Where)
		}
		rows = append(rows, []string{
			fmt.Sprint(c.Number), who, escape(c.Setup), escape(c.Published),
			"`" + strings.Join(c.Scenarios, "`, `") + "`", escape(c.Rule),
		})
	}
	return table([]string{"number", "who", "set-up", "published", "scenarios", "how it is decided"}, rows)
}

// policies are a row each, with the transports that have it; bold where it is the default.
func policies(*testing.T) string {
	var rows [][]string
	for _, p := range vocab.Policies() {
		of := having(func(f *vocab.Family) (has, first bool) {
			return slices.Contains(f.Policies, p.Kind), f.Policies[0] == p.Kind
		})
		rows = append(rows, []string{"`" + p.Kind.Usage() + "`", p.Text, of})
	}
	return table([]string{"policy", "who wakes the reader", "transports"}, rows)
}

// readers are a row each, likewise.
func readers(*testing.T) string {
	var rows [][]string
	for _, r := range vocab.ReaderSpecs() {
		of := having(func(f *vocab.Family) (has, first bool) {
			return slices.Contains(f.Readers, r.Name), f.Readers[0] == r.Name
		})
		rows = append(rows, []string{"`" + string(r.Name) + "`", escape(r.Text), of})
	}
	return table([]string{"reader", "what it does", "transports"}, rows)
}

// having lists the transports whose family has something, in bold where it is the first.
func having(of func(*vocab.Family) (has, first bool)) string {
	var names []string
	for _, transport := range vocab.Transports() {
		switch has, first := of(transport.Spec().Family); {
		case first:
			names = append(names, "**`"+string(transport)+"`**")
		case has:
			names = append(names, "`"+string(transport)+"`")
		}
	}
	return strings.Join(names, ", ")
}

// arrangements are what agents run, on a machine of eight CPUs.
func arrangements(*testing.T) string {
	const cpus = 8
	var rows [][]string
	for _, a := range agents.All() {
		rings := "not published"
		if a.RingBytes != nil {
			rings = fmt.Sprintf("%d x %d KiB", a.Rings(cpus), a.RingBytes(cpus)>>10)
		}
		rows = append(rows, []string{"`" + a.ID + "`", a.Name, "`" + string(a.Transport) + "`", "`" + string(a.Policy) + "`", rings, escape(a.Text)})
	}
	return table([]string{"in a plan", "agent", "transport", "policy", "rings on 8 CPUs", "as published"}, rows)
}

func transports(*testing.T) string {
	var rows [][]string
	for _, s := range vocab.TransportSpecs() {
		rows = append(rows, []string{"`" + string(s.Name) + "`", escape(s.Title), s.Since, escape(s.Text)})
	}
	return table([]string{"transport", "name", "since", "what it is"}, rows)
}

func axes(*testing.T) string {
	var rows [][]string
	for _, x := range axis.All() {
		def := "none: it must be given"
		switch {
		case len(x.Default) == 1 && x.Default[0] == "":
			def = "none"
		case x.Default != nil:
			def = "`" + x.Default[0] + "`"
		}
		values := escape(x.Limits())
		if x.Words != nil {
			values = "`" + strings.Join(x.Words, "`, `") + "`"
		}
		rows = append(rows, []string{"`" + x.Name + "`", escape(x.Text), values, def})
	}
	return table([]string{"axis", "what it is", "values", "default"}, rows)
}

func sources(*testing.T) string {
	var rows [][]string
	for _, s := range kernel.Sources() {
		rows = append(rows, []string{"`" + s.Example + "`", escape(s.Text)})
	}
	return table([]string{"name", "what it is"}, rows)
}

func formats(*testing.T) string {
	var rows [][]string
	for _, f := range report.Formats() {
		file := "none"
		if f.File != "" {
			file = "`" + f.File + "`"
		}
		rows = append(rows, []string{"`" + f.Name + "`", file, f.Text})
	}
	return table([]string{"format", "file of a run", "content"}, rows)
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

// statements are a table for each group, without the sources, which facts --list has.
func statements(*testing.T) string {
	var b strings.Builder
	all := facts.Statements()
	for _, group := range facts.Groups() {
		var rows [][]string
		for _, s := range all {
			if s.Group == group {
				since := ""
				if s.Since > 0 {
					since = s.Since.String()
				}
				rows = append(rows, []string{"`" + s.ID + "`", since, escape(s.Text)})
			}
		}
		fmt.Fprintf(&b, "## %s\n\n%s\n", group, table([]string{"statement", "since", "text"}, rows))
	}
	return b.String()
}

// invariants are those that the ledger checks of any kind of cell.
func invariants(*testing.T) string {
	type kind struct {
		transport vocab.Transport
		workload  string
	}
	of := map[string][]kind{}
	var names []string
	for _, transport := range vocab.Transports() {
		for _, workload := range vocab.Workloads() {
			cell := record.Cell{Transport: transport, Workload: workload, Batch: 1, PayloadBytes: vocab.EventBytes}
			after := 0 // where a name that is new belongs: behind the one before it
			for _, line := range ledger.Check(&cell, &record.Counts{}) {
				if at := slices.Index(names, line.Invariant); at >= 0 {
					after = at + 1
				} else {
					names = slices.Insert(names, after, line.Invariant)
					after++
				}
				of[line.Invariant] = append(of[line.Invariant], kind{transport, string(workload)})
			}
		}
	}
	var rows [][]string
	for _, name := range names {
		transports, workloads := map[vocab.Transport]bool{}, map[string]bool{}
		for _, k := range of[name] {
			transports[k.transport], workloads[k.workload] = true, true
		}
		rows = append(rows, []string{escape(name), most(transports), every(workloads)})
	}
	return table([]string{"invariant", "transport", "workload"}, rows)
}

// most lists transports: all, all but a few, or these.
func most(of map[vocab.Transport]bool) string {
	var have, lack []string
	for _, transport := range vocab.Transports() {
		if of[transport] {
			have = append(have, "`"+string(transport)+"`")
		} else {
			lack = append(lack, "`"+string(transport)+"`")
		}
	}
	switch {
	case len(lack) == 0:
		return "all"
	case len(lack) <= 3:
		return "all but " + strings.Join(lack, ", ")
	}
	return strings.Join(have, ", ")
}

// every is the one that is there, or that all are.
func every(of map[string]bool) string {
	if len(of) > 1 {
		return "both"
	}
	for name := range of {
		return "`" + name + "`"
	}
	return ""
}

func metrics(*testing.T) string {
	var rows [][]string
	for _, m := range verdict.AllMetrics() {
		margin := fmt.Sprintf("%.3g %%", 100*m.Margin)
		if m.AnyMatters {
			margin = "any; known to " + margin
		}
		clock := cmp.Or(m.Only, "both")
		rows = append(rows, []string{"`" + m.Slug + "`", m.Name, string(m.Better), clock, mark(m.Primary()), margin})
	}
	return table([]string{"metric", "name", "better", "clock", "decides", "margin"}, rows)
}

// limits are those of a machine, without the patience that tests have.
func limits(t *testing.T) string {
	t.Setenv(patience.Variable, "")
	emulated, kvm := machine.LimitsOf(machine.Config{Accel: machine.TCG}), machine.LimitsOf(machine.Config{Accel: machine.KVM})
	virtual := machine.LimitsOf(machine.Config{Accel: machine.TCG, Virtual: true})
	var rows [][]string
	row := func(name string, of func(machine.Limits) time.Duration, flag string) {
		rows = append(rows, []string{name, of(emulated).String(), of(kvm).String(), flag})
	}
	row("boot until ready", func(l machine.Limits) time.Duration { return l.Boot }, "`--boot-timeout`")
	rows = append(rows, []string{"boot until settled, in virtual time", virtual.Boot.String(), "", "`--boot-timeout`"})
	row("restore until ready", func(l machine.Limits) time.Duration { return l.Restore }, "at most that of the boot")
	row("a request: probe, comparison, trial", func(l machine.Limits) time.Duration { return l.Request }, "`--request-timeout`")
	row("power off", func(l machine.Limits) time.Duration { return l.Stop }, "")
	row("a silent kernel's reply to sysrq", func(l machine.Limits) time.Duration { return l.Liveness }, "")
	row("QEMU's monitor", func(l machine.Limits) time.Duration { return l.Monitor }, "")
	row("the end of QEMU, once its files are closed", func(l machine.Limits) time.Duration { return l.End }, "")
	return table([]string{"phase", "emulated", "KVM", "flag"}, rows)
}
