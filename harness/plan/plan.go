// SPDX-License-Identifier: MIT

// Package plan reads a plan, rejects impossible configurations, and expands it into the
// trials of one kernel, in order.
//
// It is a pure function of the plan's text; nothing is measured here.
package plan

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"go.yaml.in/yaml/v4"
)

//go:embed plans/*.yaml
var plans embed.FS

// Default is the name of the plan that runs when none is named.
const Default = "quick"

// Plain is the name of the plan with a single configuration. Other configurations are
// printed as changes to it.
const Plain = "programs"

// Plan is a space of configurations.
type Plan struct {
	Name string `yaml:"name"`
	// Attach is the attach point of the twins; auto takes the first that works.
	Attach vocab.Attach `yaml:"attach"`
	// Blocks of each configuration: two pairs of trials, each in the order AB or BA. 0:
	// as many as a decision needs.
	Blocks int `yaml:"blocks,omitempty"`
	// Budget is the time in which new blocks start on a kernel, if their number is not
	// fixed. Each configuration gets one block in any case, and undecided ones get more.
	Budget time.Duration `yaml:"budget"`
	Seed   uint64        `yaml:"seed"` // of the random orders
	// Axes are the defaults of all scenarios, or without scenarios the plan's only one.
	Axes      `yaml:",inline"`
	Scenarios []Scenario `yaml:"scenarios,omitempty"`

	root *yaml.Node // the parsed document, to find line numbers; nil: none
}

// defaultBudget is the budget of a plan without one, and mostBudget the maximum.
const (
	defaultBudget = time.Minute
	mostBudget    = 24 * time.Hour
)

// Names lists the plans that ship with the program.
func Names() []string {
	entries, err := fs.ReadDir(plans, "plans")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// LoadFor reads a plan, applies assignments of [Plan.Set], and checks that it is possible
// on a machine of cpus CPUs. In virtual time each of several seeds has the plan's blocks.
func LoadFor(nameOrPath string, assignments []string, cpus, seeds int) (*Plan, error) {
	p, err := Load(nameOrPath)
	if err != nil {
		return nil, err
	}
	for _, assignment := range assignments {
		if err := p.Set(assignment); err != nil {
			return nil, err
		}
	}
	if seeds > 1 {
		p.Blocks = max(p.Blocks, 1) * seeds
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	_, err = p.Configurations(cpus)
	return p, err
}

// Load reads the plan of that name, or the file at that path. An error names
// the line and what is wrong with it.
func Load(nameOrPath string) (*Plan, error) {
	text, err := plans.ReadFile(path.Join("plans", nameOrPath+".yaml"))
	if err != nil {
		text, err = os.ReadFile(nameOrPath)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plan %q: no such file, and not one of %s%s", nameOrPath, strings.Join(Names(), ", "), didYouMean(nameOrPath, Names()))
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", nameOrPath, err)
	}
	return p, nil
}

// Parse reads a plan. Unknown and repeated keys are errors.
func Parse(text []byte) (*Plan, error) {
	p := &Plan{Attach: vocab.AttachAuto, Budget: defaultBudget}
	root, err := decode(text, p)
	if err != nil {
		return nil, err
	}
	p.root = root
	return p, p.Check()
}

// Set changes a key of the plan, and of all its scenarios: "payload_bytes=64,4096",
// "pairs=[[perf, ringbuf/batch=64]]". On an error nothing changes.
func (p *Plan) Set(assignment string) error {
	key, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return fmt.Errorf("%q: want KEY=VALUE, or KEY=VALUE,VALUE", assignment)
	}
	if err := OneOf("key", key, keys()); err != nil {
		return err
	}
	if strings.Contains(value, ",") && !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") {
		value = "[" + value + "]"
	}
	line := []byte(key + ": " + value)
	changed := *p
	changed.Scenarios = slices.Clone(p.Scenarios)
	changed.root = nil // its line numbers are no longer valid
	var set axesOnly
	if _, err := decode(line, &set); err == nil {
		changed.Axes = set.Axes.over(p.Axes)
		for i := range changed.Scenarios {
			changed.Scenarios[i].Axes = set.Axes.over(changed.Scenarios[i].Axes)
		}
	} else if _, err := decode(line, &changed); err != nil {
		return err
	}
	if err := changed.Check(); err != nil {
		return err
	}
	*p = changed
	return nil
}

// planName matches names that are safe in file names, ids and benchmark names.
var planName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Check rejects what no machine can run. [Plan.Configurations] checks whether
// configurations fit a machine with so many CPUs.
func (p *Plan) Check() error {
	var errs []error
	refuse := func(path string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", p.line(path), path, err))
		}
	}
	if !planName.MatchString(p.Name) {
		refuse("name", fmt.Errorf("%q, want letters, digits, dots, dashes and underscores", p.Name))
	}
	refuse("attach", OneOf("", p.Attach, append([]vocab.Attach{vocab.AttachAuto}, vocab.AttachOrder()...)))
	if p.Blocks < 0 || p.Blocks > maxBlocks {
		refuse("blocks", fmt.Errorf("%d, want 1 to %d, or none to go on until it is decided", p.Blocks, maxBlocks))
	}
	if p.Budget < 0 || p.Budget > mostBudget {
		refuse("budget", fmt.Errorf("%s, want 0s to %s", p.Budget, mostBudget))
	}
	if p.Scenarios != nil && len(p.Scenarios) == 0 {
		refuse("scenarios", errors.New("an empty list: nothing would be measured"))
	}
	for _, r := range p.Axes.check() {
		refuse(r.key, r.err)
	}
	seen := map[string]bool{}
	for i := range p.Scenarios {
		s, at := &p.Scenarios[i], fmt.Sprintf("scenarios[%d].", i)
		if !planName.MatchString(s.Name) {
			refuse(at+"name", fmt.Errorf("%q, want letters, digits, dots, dashes and underscores", s.Name))
		}
		if seen[s.Name] {
			refuse(at+"name", fmt.Errorf("%q is there twice", s.Name))
		}
		seen[s.Name] = true
		for _, r := range s.Axes.check() {
			refuse(at+r.key, r.err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, s := range p.scenarios() {
		for _, x := range axis.All() {
			if s.Values[x.Name] == nil {
				refuse(x.Name, errors.New("how many of them?"))
			}
		}
		if s.RingBytesTotal == nil && s.RingBytesEach == nil {
			refuse("ring_bytes_total", errors.New("want it, or ring_bytes_each, or both"))
		}
	}
	if n := p.trials(); n > maxTrials {
		errs = append(errs, fmt.Errorf("%d trials on each kernel, at most %d", n, maxTrials))
	}
	return errors.Join(errs...)
}

// scenarios returns the plan's scenarios with all keys filled in. A plan without
// scenarios has a single one without a name.
func (p *Plan) scenarios() []Scenario {
	base := p.Axes.over(defaults())
	if len(p.Scenarios) == 0 {
		return []Scenario{{Axes: base}}
	}
	all := slices.Clone(p.Scenarios)
	for i := range all {
		all[i].Axes = all[i].Axes.over(base)
	}
	return all
}
