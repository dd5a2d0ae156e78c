// SPDX-License-Identifier: MIT

package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/agents"
	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Axes are the parameters of configurations. A list makes one configuration for each of
// its values; all lists of a scenario are multiplied. A scenario inherits the keys that
// it omits from the plan.
type Axes struct {
	// Pairs are the sides to compare, A with B. Each is a transport, or a transport and
	// its policy: [perf/every, ringbuf/adaptive].
	Pairs list[Pair] `yaml:"pairs,omitempty"`
	// At least one of these is set: the bytes of all rings of a transport together, or
	// those of each ring. If both are set, both are compared.
	RingBytesTotal list[int] `yaml:"ring_bytes_total,omitempty"`
	RingBytesEach  list[int] `yaml:"ring_bytes_each,omitempty"`
	// Sweep looks for the highest rate without loss, instead of rate_hz.
	Sweep *Sweep `yaml:"sweep,omitempty"`
	// Shows is the purpose of the configurations. It selects the machines that measure
	// them if one kind cannot show everything: see [Configuration.Shows].
	Shows string `yaml:"shows,omitempty"`
	// Values are the values of the axes of package axis, by name, as written in a plan.
	Values map[string][]string `yaml:"-"`
}

// ShowsAll is the word for a configuration that shows delivery and costs.
const ShowsAll = "all"

// Sweep bisects a range of rates for the highest without loss.
type Sweep struct {
	FromHz float64 `yaml:"from_hz"`
	ToHz   float64 `yaml:"to_hz"`
	Steps  int     `yaml:"steps"` // trials of each side
	// Past is up to how many times the knee's rate to measure afterwards, in [pastSteps]
	// more trials; 0: not at all.
	Past float64 `yaml:"past,omitempty"`
}

// Scenario is a set of axes with a name.
type Scenario struct {
	Name string `yaml:"name"`
	Axes `yaml:",inline"`
}

// list is one value or several.
type list[T any] []T

// UnmarshalYAML reads a value, or a list of them.
func (l *list[T]) UnmarshalYAML(unmarshal func(any) error) error {
	var one T
	if unmarshal(&one) == nil {
		*l = list[T]{one}
		return nil
	}
	many := []T{}
	if err := unmarshal(&many); err != nil {
		return err
	}
	*l = many
	return nil
}

// MarshalYAML writes a single value without a list.
func (l list[T]) MarshalYAML() (any, error) {
	if len(l) == 1 {
		return l[0], nil
	}
	return []T(l), nil
}

// Pair is the two sides of a comparison, A and B.
type Pair [2]Side

// UnmarshalYAML reads [A, B], and rejects any other list.
func (p *Pair) UnmarshalYAML(unmarshal func(any) error) error {
	var sides []Side
	if err := unmarshal(&sides); err != nil {
		return err
	}
	if len(sides) != 2 {
		return fmt.Errorf("a pair of %d: want two, as [perf/every, ringbuf/adaptive]", len(sides))
	}
	copy(p[:], sides)
	return nil
}

// Side is a transport with its policy, and with values of its own of the axes that belong
// to a side.
type Side struct {
	Transport vocab.Transport
	Policy    vocab.Policy
	// Own are its values, as written: "reader=raw,shards=4". [RingBytes] is its ring's size.
	Own string
	// Agent is the agent whose arrangement it is; empty: none.
	Agent string
}

// RingBytes is the key of a side's own ring size.
const RingBytes = "ring_bytes"

// UnmarshalYAML reads what [ParseSide] does.
func (s *Side) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	side, err := ParseSide(text)
	*s = side
	return err
}

// ParseSide reads TRANSPORT, TRANSPORT/POLICY, and behind either ,KEY=VALUE for each value
// of its own: ringbuf-sharded/timer,shards=cpu/2,reader=poll. The name of an agent is its
// arrangement.
func ParseSide(text string) (Side, error) {
	if a, ok := agents.Named(text); ok {
		return Side{Transport: a.Transport, Policy: a.Policy, Agent: a.ID}, nil
	}
	head, own, _ := strings.Cut(text, ",")
	name, policy, hasPolicy := strings.Cut(head, "/")
	kind := vocab.Transport(name)
	if err := OneOf("transport", kind, vocab.Transports()); err != nil {
		if didYouMean(kind, vocab.Transports()) == "" {
			err = fmt.Errorf("%w%s", err, didYouMean(name, agents.IDs()))
		}
		return Side{}, err
	}
	if !hasPolicy {
		policy = string(kind.DefaultPolicy())
	}
	parsed, err := kind.ParsePolicy(policy)
	if err != nil {
		word, _, _ := strings.Cut(policy, "=")
		return Side{}, fmt.Errorf("%w%s", err, didYouMean(word, kind.Policies()))
	}
	s := Side{Transport: kind, Policy: parsed, Own: own}
	return s, s.eachOwn(func(key, value string) error {
		if key == RingBytes {
			n, err := strconv.Atoi(value)
			if err != nil || n > maxRingBytes || vocab.CheckRingBytes(n, vocab.PageBytes) != nil {
				return fmt.Errorf("%s: %s, want a power of two from %d to %d", text, value, vocab.PageBytes, maxRingBytes)
			}
			return nil
		}
		x, _ := axis.Named(key)
		if !x.Side {
			return fmt.Errorf("%s: %w", text, OneOf("key of a side", key, sideKeys()))
		}
		if err := x.Check(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
}

// eachOwn calls a function with each value of the side's own.
func (s Side) eachOwn(f func(key, value string) error) error {
	if a, ok := agents.Named(s.Agent); ok {
		own := []string{"shards", string(a.Shards), "reader", string(a.Reader), "flush_ms", strconv.Itoa(a.FlushMS)}
		for i := 0; i < len(own); i += 2 {
			if err := f(own[i], own[i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if s.Own == "" {
		return nil
	}
	for part := range strings.SplitSeq(s.Own, ",") {
		key, value, _ := strings.Cut(part, "=")
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// sideKeys are the keys that a side can have a value of its own for.
func sideKeys() []string {
	all := []string{RingBytes}
	for _, x := range axis.All() {
		if x.Side {
			all = append(all, x.Name)
		}
	}
	return all
}

// MarshalYAML writes what UnmarshalYAML reads.
func (s Side) MarshalYAML() (any, error) { return s.String(), nil }

// String is the side as written in a plan.
func (s Side) String() string {
	if s.Agent != "" {
		return s.Agent
	}
	text := string(s.Transport) + "/" + string(s.Policy)
	if s.Own != "" {
		text += "," + s.Own
	}
	return text
}

// over fills in the keys that the scenario omits.
func (a Axes) over(base Axes) Axes {
	if a.Pairs == nil {
		a.Pairs = base.Pairs
	}
	if a.Sweep == nil && a.Values[axis.Rate] == nil {
		a.Sweep = base.Sweep
	}
	if a.RingBytesTotal == nil && a.RingBytesEach == nil {
		a.RingBytesTotal, a.RingBytesEach = base.RingBytesTotal, base.RingBytesEach
	}
	values := maps.Clone(base.Values)
	if values == nil {
		values = map[string][]string{}
	}
	maps.Copy(values, a.Values)
	a.Values = values
	a.Shows = cmp.Or(a.Shows, base.Shows)
	return a
}

// defaults are the default values of every plan.
func defaults() Axes {
	a := Axes{
		Pairs: list[Pair]{{
			{Transport: vocab.Perf, Policy: vocab.Perf.DefaultPolicy()},
			{Transport: vocab.Ringbuf, Policy: vocab.Ringbuf.DefaultPolicy()},
		}},
		Shows:  ShowsAll,
		Values: map[string][]string{},
	}
	for _, x := range axis.All() {
		if x.Default != nil {
			a.Values[x.Name] = x.Default
		}
	}
	return a
}

// Limits of a plan.
const (
	maxRingBytes = 1 << 30
	maxBlocks    = 1000
	maxTrials    = 100_000
	maxPast      = 100
)

// refusal is an invalid value of a key.
type refusal struct {
	key string
	err error
}

var errEmpty = errors.New("an empty list: nothing would be measured")

// check rejects values that are invalid on every machine.
func (a *Axes) check() []refusal {
	var all []refusal
	refuse := func(key string, err error) {
		if err != nil {
			all = append(all, refusal{key, err})
		}
	}
	for _, x := range axis.All() {
		values, given := a.Values[x.Name]
		if given && len(values) == 0 {
			refuse(x.Name, errEmpty)
		}
		for _, v := range values {
			if x.Words != nil {
				refuse(x.Name, OneOf("", v, x.Words))
			} else {
				refuse(x.Name, x.Check(v))
			}
		}
	}
	if a.Shows != "" {
		refuse("shows", OneOf("", a.Shows, []string{ShowsAll, record.ShowsDelivery, record.ShowsCosts}))
	}
	if a.Pairs != nil && len(a.Pairs) == 0 {
		refuse("pairs", errEmpty)
	}
	for key, sizes := range map[string]list[int]{"ring_bytes_total": a.RingBytesTotal, "ring_bytes_each": a.RingBytesEach} {
		if sizes != nil && len(sizes) == 0 {
			refuse(key, errEmpty)
		}
		for _, size := range sizes {
			if size > maxRingBytes || vocab.CheckRingBytes(size, vocab.PageBytes) != nil {
				refuse(key, fmt.Errorf("%d, want a power of two from %d to %d", size, vocab.PageBytes, maxRingBytes))
			}
		}
	}
	if s := a.Sweep; s != nil && s.Past != 0 && !(s.Past > 1 && s.Past <= maxPast) {
		refuse("sweep", fmt.Errorf("past %g, want more than 1 and at most %d times the knee", s.Past, maxPast))
	}
	if s := a.Sweep; s != nil && !(s.FromHz > 0 && s.FromHz < s.ToHz && s.ToHz <= 1e9 && s.Steps >= 3 && s.Steps <= 30) {
		refuse("sweep", fmt.Errorf("from %g to %g Hz in %d steps, want rates above 0, the first below the second, and 3 to 30 steps", s.FromHz, s.ToHz, s.Steps))
	}
	return all
}
