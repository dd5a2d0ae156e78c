// SPDX-License-Identifier: MIT

package results

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// WorkSchema names the format of work.json.
const WorkSchema = "ringtwin/work/v1"

// workFile is in the directory of a run.
const workFile = "work.json"

// mostTrials of a unit are more than a plan may have.
const mostTrials = 1_000_000

// Work is what is to be measured, by one machine or by several: each configuration of a
// plan on each kernel is a unit of it. A run's directory has it from the beginning, so that
// it is known of a run what it lacks.
type Work struct {
	Schema string `json:"schema"`
	Plan   string `json:"plan"`
	// PlanSHA256 is that of the plan's text, as in plan.yaml.
	PlanSHA256 string `json:"plan_sha256"`
	Clock      string `json:"clock"` // auto, wall, virtual
	CPUs       int    `json:"cpus"`
	// Shard is the share of the run.
	Shard          plan.Shard          `json:"shard"`
	Kernels        []WorkKernel        `json:"kernels"`
	Configurations []WorkConfiguration `json:"configurations"`
	// Ended is false in a run that goes on, or was killed. Errors are those of a run that
	// has ended, a line each.
	Ended  bool     `json:"ended"`
	Errors []string `json:"errors,omitempty"`
	// Differ means that one of them is that the twins do not agree.
	Differ bool `json:"differ,omitempty"`
}

// WorkKernel is a kernel, by the name that its trials have.
type WorkKernel struct {
	Name    string `json:"name"`
	Source  string `json:"source,omitempty"`
	Package string `json:"package,omitempty"`
	// Reason is why it cannot be resolved; empty: it can.
	Reason string `json:"reason,omitempty"`
}

// WorkConfiguration is a configuration of the plan.
type WorkConfiguration struct {
	Number   int    `json:"configuration"` // from 0
	Scenario string `json:"scenario,omitempty"`
	A        string `json:"a"` // both sides, as a plan has them
	B        string `json:"b"`
	// Values are those of the axes that vary in the scenario: KEY=VALUE.
	Values []string `json:"values,omitempty"`
	// Trials are those planned on a kernel: without a fixed number of blocks, the least.
	Trials int `json:"trials"`
	// Shows is its purpose: delivery, costs, or empty for both.
	Shows string `json:"shows,omitempty"`
}

// Unit is a configuration on a kernel.
type Unit struct {
	Kernel string `json:"kernel"`
	WorkConfiguration
}

// NewWork is the work of a plan on machines of cpus CPUs. The caller adds the kernels.
func NewWork(p *plan.Plan, clock string, cpus int, shard plan.Shard) (*Work, error) {
	text, err := p.Text()
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	sum := sha256.Sum256(text)
	w := &Work{Schema: WorkSchema, Plan: p.Name, PlanSHA256: hex.EncodeToString(sum[:]), Clock: clock, CPUs: cpus, Shard: shard}
	configs, err := p.Configurations(cpus)
	if err != nil {
		return nil, err
	}
	varies := varying(configs)
	for i := range configs {
		c := &configs[i]
		w.Configurations = append(w.Configurations, WorkConfiguration{
			Number: c.Number, Scenario: c.Scenario, Shows: c.Shows, Values: varies(c),
			A: c.Cells[0].Configuration(), B: c.Cells[1].Configuration(),
			Trials: max(p.Blocks, 1) * len(p.Block("", c, 0)),
		})
	}
	return w, nil
}

// varying returns a function that lists the values of a configuration, KEY=VALUE, of the
// axes in which the configurations of its scenario differ.
func varying(configs []plan.Configuration) func(*plan.Configuration) []string {
	type key struct{ scenario, axis string }
	seen := map[key]map[string]bool{}
	for i := range configs {
		for _, v := range values(&configs[i].Cells[0]) {
			at := key{configs[i].Scenario, v.axis}
			if seen[at] == nil {
				seen[at] = map[string]bool{}
			}
			seen[at][v.value] = true
		}
	}
	return func(c *plan.Configuration) (words []string) {
		for _, v := range values(&c.Cells[0]) {
			if len(seen[key{c.Scenario, v.axis}]) > 1 {
				words = append(words, v.axis+"="+v.value)
			}
		}
		return words
	}
}

type axisValue struct{ axis, value string }

// values are those of a cell that both sides share. An agent has rings of its own.
func values(c *record.Cell) []axisValue {
	var all []axisValue
	for _, x := range axis.All() {
		if !x.Side {
			all = append(all, axisValue{x.Name, x.Get(c)})
		}
	}
	switch {
	case c.Agent != "":
		return all
	case c.Equal == vocab.EqualEach:
		return append(all, axisValue{"ring_bytes_each", strconv.Itoa(c.RingBytes)})
	}
	return append(all, axisValue{"ring_bytes_total", strconv.Itoa(c.RingBytesTotal)})
}

// All are the units of all shards, in order: kernel by kernel, so that a share has few.
func (w *Work) All() []Unit {
	units := make([]Unit, 0, len(w.Kernels)*len(w.Configurations))
	for _, k := range w.Kernels {
		for _, c := range w.Configurations {
			units = append(units, Unit{k.Name, c})
		}
	}
	return units
}

// Units are those of the shard.
func (w *Work) Units() []Unit { return w.of(w.Shard) }

func (w *Work) of(s plan.Shard) []Unit {
	all := w.All()
	weights := make([]int, len(all))
	for i := range all {
		weights[i] = all[i].Trials
	}
	from, to := s.Range(weights)
	return all[from:to]
}

// Has reports whether the shard has work on a kernel.
func (w *Work) Has(kernel string) bool {
	return slices.ContainsFunc(w.Units(), func(u Unit) bool { return u.Kernel == kernel })
}

// Share returns which configurations of the plan the shard has on a kernel.
func (w *Work) Share(kernel string) func(*plan.Configuration) bool {
	has := map[int]bool{}
	for _, u := range w.Units() {
		if u.Kernel == kernel {
			has[u.Number] = true
		}
	}
	return func(c *plan.Configuration) bool { return has[c.Number] }
}

// Trials are those planned of units.
func Trials(units []Unit) int {
	n := 0
	for _, u := range units {
		n += u.Trials
	}
	return n
}

// End is the work of a run that has ended with these errors.
func (w *Work) End(errs []error) *Work {
	ended := *w
	ended.Ended = true
	for _, err := range errs {
		if err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			ended.Errors = append(ended.Errors, line)
			ended.Differ = ended.Differ || errors.Is(err, session.ErrDiffer)
		}
	}
	return &ended
}

// Store writes the work into the directory, in place of what is there.
func (d *Dir) Store(w *Work) error {
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(d.Path, workFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("store work: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("store work: %w", err)
	}
	return nil
}

// readWork reads the work of a run's directory.
func readWork(dir string) (*Work, error) {
	text, err := os.ReadFile(filepath.Join(dir, workFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no %s: want the directory of a run of vmtest, such as out/latest (report reads results.jsonl files without it)", dir, workFile)
	}
	if err != nil {
		return nil, err
	}
	w, err := parseWork(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, workFile), err)
	}
	return w, nil
}

func parseWork(text []byte) (*Work, error) {
	w := &Work{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, err
	}
	if w.Schema != WorkSchema {
		return nil, fmt.Errorf("schema %q, want %q", w.Schema, WorkSchema)
	}
	for _, c := range w.Configurations {
		if c.Trials < 0 || c.Trials > mostTrials {
			return nil, fmt.Errorf("configuration %d: %d trials, want 0 to %d", c.Number, c.Trials, mostTrials)
		}
	}
	return w, nil
}
