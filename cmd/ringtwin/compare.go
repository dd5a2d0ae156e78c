package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// compareCmd compares two result files, or two slices of some.
type compareCmd struct {
	Files    []string `arg:"" name:"results" help:"Two results.jsonl files, A and B; or any number with --a and --b." type:"existingfile"`
	A        string   `help:"What A is: transport=perf, or kernel=6.1,payload=64." placeholder:"KEY=VALUE,..."`
	B        string   `help:"What B is." placeholder:"KEY=VALUE,..."`
	Gate     []string `sep:"none" help:"Fail if B is worse than A by more: instructions_per_event<=0.5%. Repeatable." placeholder:"METRIC<=X%"`
	GateWall bool     `help:"Let gates be of times that an emulated machine took."`
	JSON     bool     `name:"json" help:"Write JSON." xor:"format"`
	Markdown bool     `help:"Write Markdown." xor:"format"`
}

// Run compares, shows what came of it, and holds it against the gates.
func (c *compareCmd) Run(e *env) error {
	a, b, gates, err := c.check()
	if err != nil {
		return usageError{err}
	}
	files := make([][]*record.Trial, len(c.Files))
	words := map[string]string{}
	var bad []error
	for i, path := range c.Files {
		bad = append(bad, record.EachOfFile(path, func(t *record.Trial) {
			own := *t // t is the reader's
			lean(&own, words)
			files[i] = append(files[i], &own)
		}))
	}
	labelA, labelB := a.String(), b.String()
	var sideA, sideB []*record.Trial
	by := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	if c.A == "" {
		labelA, labelB, sideA, sideB = "A", "B", files[0], files[1]
	} else {
		for _, t := range slices.Concat(files...) {
			if a.Has(t) {
				sideA = append(sideA, t)
			}
			if b.Has(t) {
				sideB = append(sideB, t)
			}
		}
	}
	comparisons, unpaired, err := verdict.CompareSlices(sideA, sideB, by, labelA, labelB)
	if err != nil {
		return errors.Join(append(bad, err)...)
	}
	if err := c.show(e.stdout, comparisons); err != nil {
		return err
	}
	if unpaired > 0 {
		bad = append(bad, fmt.Errorf("%d trials have no other side", unpaired))
	}
	if len(comparisons) == 0 {
		bad = append(bad, errors.New("nothing to compare: no set-up is in both"))
	}
	failed, err := c.gate(e.stderr, gates, comparisons)
	bad = append(bad, err)
	if err := errors.Join(bad...); err != nil && failed {
		fmt.Fprintf(e.stderr, "ringtwin: %v\n", err)
	}
	if failed {
		return exitError(exitFailed)
	}
	return errors.Join(bad...)
}

// check reads the flags.
func (c *compareCmd) check() (a, b verdict.Slice, gates []verdict.Gate, err error) {
	if (c.A == "") != (c.B == "") {
		return nil, nil, nil, errors.New("--a and --b: want both, or none")
	}
	if c.A == "" && len(c.Files) != 2 {
		return nil, nil, nil, fmt.Errorf("%d files: want two, or --a and --b", len(c.Files))
	}
	if c.A != "" {
		var errA, errB error
		a, errA = slice(c.A)
		b, errB = slice(c.B)
		if err := errors.Join(errA, errB); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, text := range c.Gate {
		g, err := verdict.ParseGate(text)
		if err == nil {
			err = plan.OneOf("metric", g.Slug, verdict.Slugs())
		}
		if err != nil {
			return nil, nil, nil, err
		}
		gates = append(gates, g)
	}
	return a, b, gates, nil
}

// slice reads KEY=VALUE,KEY=VALUE.
func slice(text string) (verdict.Slice, error) {
	s := verdict.Slice{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want KEY=VALUE, or several with commas", text)
		}
		if err := plan.OneOf("key", key, verdict.Keys()); err != nil {
			return nil, err
		}
		s[key] = value
	}
	return s, nil
}

// holding is as long as any ledger; what its lines say is not compared.
var holding = make([]record.Invariant, 64)

// lean forgets what a comparison does not look at, which is most of a record, and
// keeps equal words once.
func lean(t *record.Trial, words map[string]string) {
	k, m, c, p := &t.Kernel, &t.Machine, &t.Cell, &t.Trial
	for _, word := range []*string{
		&t.Schema, &k.Want, &k.Release, &k.Source, &k.Package, &k.SHA256, &k.Config.Preempt,
		&m.Backend, &m.Accel, &m.Clock, &m.CPUModel, &m.Version, &m.Command,
		&c.Transport, &c.Policy, &c.Attach, &c.Workload, &c.Equal, &c.Placement,
		&p.Run, &p.Plan, &p.Scenario, &p.Side, &p.Order,
	} {
		if known, ok := words[*word]; ok {
			*word = known
		} else {
			words[*word] = *word
		}
	}
	for _, l := range []*record.Latency{t.Latency, t.Intended} {
		if l != nil {
			l.HDR = ""
		}
	}
	t.Ledger = holding[:min(len(t.Ledger), len(holding))]
}

func (c *compareCmd) show(w io.Writer, comparisons []verdict.Comparison) error {
	switch {
	case c.JSON:
		return comparisonsJSON(w, comparisons)
	case c.Markdown:
		return report.Markdown(w, comparisons)
	}
	return report.Terminal(w, comparisons)
}

// gate returns whether a gate failed, and as an error what could not be decided:
// missing is never green.
func (c *compareCmd) gate(w io.Writer, gates []verdict.Gate, comparisons []verdict.Comparison) (failed bool, err error) {
	var errs []error
	for _, g := range gates {
		measured := 0
		undecided := ""
		for i := range comparisons {
			comparison := &comparisons[i]
			metric, _ := verdict.MetricBySlug(g.Slug)
			if metric.Clock && !comparison.Machine.Publishable() && comparison.Machine.Clock != record.Virtual && !c.GateWall {
				errs = append(errs, fmt.Errorf("gate %s: these are times of an emulated machine, which differ from run to run: measure with --clock virtual, or say --gate-wall", g))
				break
			}
			out := g.Check(comparison)
			if !out.Measured {
				undecided = out.Text
				continue
			}
			measured++
			if out.Failed {
				failed = true
				fmt.Fprintf(w, "gate %s failed: %s: %s\n", g, where(comparison), out.Text)
			}
		}
		if measured == 0 {
			errs = append(errs, fmt.Errorf("gate %s: nothing was decided: %s", g, strings.TrimSpace("no set-up has it on both sides "+undecided)))
		}
	}
	return failed, errors.Join(errs...)
}

// where names a comparison in a line.
func where(c *verdict.Comparison) string {
	text := fmt.Sprintf("kernel %s, plan %s", c.Kernel.Want, c.Plan)
	if c.Scenario != "" {
		text += ", scenario " + c.Scenario
	}
	return fmt.Sprintf("%s, set-up %d, %s", text, c.Setup, c.A.Transport)
}

// comparisonsJSON writes an object for each comparison. What is not known is null.
func comparisonsJSON(w io.Writer, comparisons []verdict.Comparison) error {
	type row struct {
		Metric  string   `json:"metric"`
		Unit    string   `json:"unit"`
		A       *float64 `json:"a"`
		B       *float64 `json:"b"`
		Ratio   *float64 `json:"ratio"`
		Low     *float64 `json:"low"`
		High    *float64 `json:"high"`
		P       *float64 `json:"p"`
		Noise   *float64 `json:"noise"`
		Blocks  int      `json:"blocks"`
		Verdict string   `json:"verdict"`
	}
	type comparison struct {
		Plan     string      `json:"plan"`
		Scenario string      `json:"scenario,omitempty"`
		Setup    int         `json:"setup"`
		Kernel   string      `json:"kernel"`
		LabelA   string      `json:"label_a"`
		LabelB   string      `json:"label_b"`
		A        record.Cell `json:"a"`
		B        record.Cell `json:"b"`
		Measured int         `json:"measured"`
		Planned  int         `json:"planned"`
		Rows     []row       `json:"rows"`
	}
	known := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	all := []comparison{}
	for i := range comparisons {
		c := &comparisons[i]
		one := comparison{
			Plan: c.Plan, Scenario: c.Scenario, Setup: c.Setup, Kernel: c.Kernel.Want, LabelA: c.LabelA, LabelB: c.LabelB,
			A: c.A, B: c.B, Measured: c.Measured(), Planned: c.Planned, Rows: []row{},
		}
		for _, r := range c.Rows {
			one.Rows = append(one.Rows, row{
				Metric: r.Metric.Slug, Unit: r.Metric.Unit, A: known(r.A), B: known(r.B), Ratio: known(r.Ratio),
				Low: known(r.Low), High: known(r.High), P: known(r.P), Noise: known(r.Floor), Blocks: r.Blocks, Verdict: string(r.Verdict),
			})
		}
		all = append(all, one)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}
