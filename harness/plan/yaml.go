// SPDX-License-Identifier: MIT

package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/axis"
	"go.yaml.in/yaml/v4"
)

// decode reads the one document of a text into a value, and returns the root of its tree.
// Keys that are unknown, repeated or have no value are errors.
func decode(text []byte, into any) (*yaml.Node, error) {
	// The library accepts only the directive of YAML 1.1; plans mean the same in 1.2.
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
	if err := document.Content[0].Load(into, yaml.WithKnownFields()); err != nil {
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

// version12 matches the directive of YAML 1.2, with only comments before it.
var version12 = regexp.MustCompile(`(?m)\A((?:[ \t]*(?:#.*)?\r?\n)*)%YAML 1\.2$`)

// nothing reports whether a document is empty: only marks and comments.
func nothing(document *yaml.Node) bool {
	return len(document.Content) == 0 || document.Content[0].Tag == "!!null"
}

// located formats an error of the library as one line for each mistake.
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
			message = fmt.Sprintf("unknown key %q%s", m[1], didYouMean(m[1], keys()))
		}
		errs = append(errs, fmt.Errorf("line %d: %s", e.Mark.Line, message))
	}
	return errors.Join(errs...)
}

// unknownField matches the library's message for an unknown key.
var unknownField = regexp.MustCompile(`^field (.*) not found in type \S+$`)

// empty rejects a key without a value, which the library would treat as absent.
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
func keys() []string {
	all := fields(reflect.TypeFor[Plan]())
	for _, x := range axis.All() {
		all = append(all, x.Name)
	}
	return all
}

func fields(t reflect.Type) []string {
	var all []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case t.Field(i).Anonymous:
			all = append(all, fields(t.Field(i).Type)...)
		case name != "" && name != "-":
			all = append(all, name)
		}
	}
	return all
}

// line is the position of a key in the text, as "line 3: ", or empty.
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

// Text is the plan as a file.
func (p *Plan) Text() ([]byte, error) { return yaml.Marshal(p) }

// The types without their methods, which move axes out of a mapping and back into it.
type (
	plainPlan     Plan
	plainScenario Scenario
	axesOnly      struct {
		Axes `yaml:",inline"`
	}
	plainAxes axesOnly
)

// UnmarshalYAML reads a plan.
func (p *Plan) UnmarshalYAML(node *yaml.Node) error { return load(node, (*plainPlan)(p), &p.Axes) }

// UnmarshalYAML reads a scenario.
func (s *Scenario) UnmarshalYAML(node *yaml.Node) error {
	return load(node, (*plainScenario)(s), &s.Axes)
}

func (a *axesOnly) UnmarshalYAML(node *yaml.Node) error { return load(node, (*plainAxes)(a), &a.Axes) }

// MarshalYAML writes what UnmarshalYAML reads.
func (p *Plan) MarshalYAML() (any, error) { return dump((*plainPlan)(p), &p.Axes) }

// MarshalYAML writes what UnmarshalYAML reads.
func (s Scenario) MarshalYAML() (any, error) { return dump(plainScenario(s), &s.Axes) }

// load reads a mapping: axes here, and the other keys by the library.
func load(node *yaml.Node, into any, axes *Axes) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want keys with values", node.Line)
	}
	rest := *node
	rest.Content = nil
	values := map[string][]string{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		x, ok := axis.Named(key.Value)
		if !ok {
			rest.Content = append(rest.Content, pair...)
			continue
		}
		if values[x.Name] != nil {
			return &yaml.LoadError{Message: fmt.Sprintf("%s is there twice", x.Name), Mark: yaml.Mark{Line: key.Line}}
		}
		some, err := valuesOf(x, value)
		if err != nil {
			return err
		}
		values[x.Name] = some
	}
	if err := rest.Load(into, yaml.WithKnownFields()); err != nil {
		return err
	}
	all := maps.Clone(axes.Values) // which another plan may share
	if all == nil {
		all = map[string][]string{}
	}
	maps.Copy(all, values)
	axes.Values = all
	return nil
}

// valuesOf are those of an axis: one, or a list of them.
func valuesOf(x axis.Axis, node *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	values := []string{}
	for _, n := range nodes {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.ScalarNode {
			return nil, &yaml.LoadError{Message: x.Name + ": want a value, or a list of values", Mark: yaml.Mark{Line: n.Line}}
		}
		text := n.Value
		var f float64
		if x.Number() && n.Load(&f) == nil { // 0x40 and 1_000 are numbers
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
		values = append(values, text)
	}
	return values, nil
}

// dump returns a mapping of the keys that the library writes, and the axes.
func dump(from any, axes *Axes) (*yaml.Node, error) {
	var node yaml.Node
	if err := node.Encode(from); err != nil {
		return nil, err
	}
	for _, x := range axis.All() {
		values, ok := axes.Values[x.Name]
		if !ok {
			continue
		}
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, v := range values {
			scalar := &yaml.Node{}
			scalar.SetString(v)
			if x.Number() {
				scalar = &yaml.Node{Kind: yaml.ScalarNode, Value: v}
			}
			list.Content = append(list.Content, scalar)
		}
		if len(values) == 1 {
			list = list.Content[0]
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: x.Name}, list)
	}
	return &node, nil
}
