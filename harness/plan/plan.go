// SPDX-License-Identifier: MIT

// Package plan says what is to be measured: it reads a plan, refuses what cannot
// be, and expands it into the trials of one kernel, in order.
//
// It is a pure function of the plan's text; nothing is measured here.
package plan

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/vocab"
	"go.yaml.in/yaml/v4"
)

//go:embed plans/*.yaml
var plans embed.FS

// Default is the name of the plan that runs when none is named.
const Default = "quick"

// Plain is the name of the plan with a single configuration, which others are told as
// changes of.
const Plain = "programs"

// Plan is a space of configurations.
type Plan struct {
	Name string `yaml:"name"`
	// Attach is where the twins hook in; auto takes the first that works.
	Attach vocab.Attach `yaml:"attach"`
	// Blocks of each configuration: two pairs of trials, each in the order AB or BA. 0: as many
	// as it takes to decide.
	Blocks int `yaml:"blocks,omitempty"`
	// Budget is how long blocks are begun on a kernel, where their number is not fixed:
	// one of each configuration in any case, and more of what is not decided.
	Budget time.Duration `yaml:"budget"`
	Seed   uint64        `yaml:"seed"` // decides the orders
	// Axes are those of all scenarios, or without any the plan's only one.
	Axes      `yaml:",inline"`
	Scenarios []Scenario `yaml:"scenarios,omitempty"`

	root *yaml.Node // what it was read from, to find lines in; nil: from nothing
}

// defaultBudget is that of a plan that does not say, and mostBudget the most.
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

// Parse reads a plan. Unknown and repeated keys are refused.
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
// "pairs=[[perf, ringbuf/batch=64]]". One that is refused changes nothing.
func (p *Plan) Set(assignment string) error {
	key, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return fmt.Errorf("%q: want KEY=VALUE, or KEY=VALUE,VALUE", assignment)
	}
	if err := OneOf("key", key, keys(reflect.TypeFor[Plan]())); err != nil {
		return err
	}
	if strings.Contains(value, ",") && !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") {
		value = "[" + value + "]"
	}
	line := []byte(key + ": " + value)
	changed := *p
	changed.Scenarios = slices.Clone(p.Scenarios)
	changed.root = nil // lines of it are others'
	var axes Axes
	if _, err := decode(line, &axes); err == nil {
		changed.Axes = axes.over(p.Axes)
		for i := range changed.Scenarios {
			changed.Scenarios[i].Axes = axes.over(changed.Scenarios[i].Axes)
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

// decode reads the one document of a text into a value, and returns the root of its
// tree. Keys that are unknown, repeated or have no value are refused.
func decode(text []byte, into any) (*yaml.Node, error) {
	// The library takes the directive of YAML 1.1 alone; plans are the same in 1.2.
	text = version12.ReplaceAll(text, []byte("${1}%YAML 1.1"))
	var document, more yaml.Node
	nodes := yaml.NewDecoder(bytes.NewReader(text))
	err := nodes.Decode(&document)
	if errors.Is(err, io.EOF) || err == nil && nothing(&document) {
		return nil, errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, located(err)
	}
	fields := yaml.NewDecoder(bytes.NewReader(text))
	fields.KnownFields(true)
	if err := fields.Decode(into); err != nil {
		return nil, located(err)
	}
	for err = nodes.Decode(&more); !errors.Is(err, io.EOF); err = nodes.Decode(&more) {
		if err != nil {
			return nil, located(err)
		}
		if !nothing(&more) {
			return nil, fmt.Errorf("line %d: a second document, want one", more.Line)
		}
	}
	root := document.Content[0]
	return root, empty(root, "")
}

// version12 is the directive of YAML 1.2, before which there are comments at most.
var version12 = regexp.MustCompile(`(?m)\A((?:[ \t]*(?:#.*)?\r?\n)*)%YAML 1\.2$`)

// nothing reports whether a document is empty: of marks and comments alone.
func nothing(document *yaml.Node) bool {
	return len(document.Content) == 0 || document.Content[0].Tag == "!!null"
}

// located is an error of the library as a line for each thing that is wrong.
func located(err error) error {
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many):
	case errors.As(err, &one):
		many = &yaml.LoadErrors{Errors: []*yaml.LoadError{one}}
	default:
		return err
	}
	var errs []error
	for _, e := range many.Errors {
		message := e.Message
		if m := unknownField.FindStringSubmatch(message); m != nil {
			message = fmt.Sprintf("unknown key %q%s", m[1], didYouMean(m[1], keys(reflect.TypeFor[Plan]())))
		}
		errs = append(errs, fmt.Errorf("line %d: %s", e.Mark.Line, message))
	}
	return errors.Join(errs...)
}

// unknownField is how the library complains.
var unknownField = regexp.MustCompile(`^field (.*) not found in type \S+$`)

// empty refuses a key without a value, which the library would read as one that
// is not there.
func empty(node *yaml.Node, path string) error {
	var errs []error
	for at, child := range children(node, path) {
		if child.Tag == "!!null" {
			errs = append(errs, fmt.Errorf("line %d: %s: no value", child.Line, at))
		}
		errs = append(errs, empty(child, at))
	}
	return errors.Join(errs...)
}

// children are the values of a mapping or a sequence, with their paths.
func children(node *yaml.Node, path string) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for i, child := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if node.Kind == yaml.MappingNode {
				if i%2 == 0 {
					continue // a key
				}
				at = strings.TrimPrefix(path+"."+node.Content[i-1].Value, ".")
			}
			if !yield(at, child) {
				return
			}
		}
	}
}

// keys of a plan, and of a scenario.
func keys(t reflect.Type) []string {
	var all []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case t.Field(i).Anonymous:
			all = append(all, keys(t.Field(i).Type)...)
		case name != "":
			all = append(all, name)
		}
	}
	return all
}

// Text is the plan as a file.
func (p *Plan) Text() ([]byte, error) { return yaml.Marshal(p) }

// planName keeps names harmless in file names, ids and benchmark names.
var planName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Check refuses what no machine could run. Whether a configuration fits a machine with
// so many CPUs is [Plan.Configurations]'s to say.
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
		if s.Events == nil {
			refuse("events", errors.New("how many of them?"))
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

// line is where in the text a key is, as "line 3: ", or nothing.
func (p *Plan) line(key string) string {
	if p.root == nil {
		return ""
	}
	if n := lineOf(p.root, "", key); n > 0 {
		return fmt.Sprintf("line %d: ", n)
	}
	return ""
}

// lineOf is the line of the value of a key below a node, or 0.
func lineOf(node *yaml.Node, path, key string) int {
	for at, child := range children(node, path) {
		if at == key {
			return child.Line
		}
		if strings.HasPrefix(key, at) {
			if n := lineOf(child, at, key); n > 0 {
				return n
			}
		}
	}
	return 0
}

// scenarios are those of the plan with everything filled in. That of a plan
// without any has no name.
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
