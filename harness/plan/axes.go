// SPDX-License-Identifier: MIT

package plan

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Axes are what configurations differ in. A list stands for one configuration with each of its
// values; all lists of a scenario are multiplied. What a scenario leaves out is
// the plan's.
type Axes struct {
	// Pairs are what is compared: A with B, each a transport, or a transport and
	// its policy: [perf/every, ringbuf/adaptive].
	Pairs    list[Pair]           `yaml:"pairs,omitempty"`
	Workload list[vocab.Workload] `yaml:"workload,omitempty"` // execve, storm
	// Events is how many a trial tries to send, of all producers together: it is
	// rounded down to what they can share.
	Events list[int] `yaml:"events,omitempty"`
	// Batch is how many events a trigger of a storm makes.
	Batch list[int] `yaml:"batch,omitempty"`
	// RateHz is events a second of all producers together; 0: as fast as possible.
	RateHz list[float64] `yaml:"rate_hz,omitempty"`
	// PayloadBytes is what the program hands over for one event.
	PayloadBytes list[int] `yaml:"payload_bytes,omitempty"`
	// Of these one at least is set: the bytes of all rings of a transport
	// together, or those of each ring. With both, both are compared.
	RingBytesTotal list[int] `yaml:"ring_bytes_total,omitempty"`
	RingBytesEach  list[int] `yaml:"ring_bytes_each,omitempty"`
	Producers      list[int] `yaml:"producers,omitempty"`
	// Placement of the producers: apart, hot, same, back-to-back.
	Placement list[vocab.Placement] `yaml:"placement,omitempty"`
	// FlushMS is after how long the reader looks although nobody woke it; 0: never.
	FlushMS list[int] `yaml:"flush_ms,omitempty"`
	// ReaderStallMS is how long the reader sleeps before it first reads, -1 for until
	// the workload has ended, and
	// ReaderDelayNS how long it works on each event.
	ReaderStallMS list[int] `yaml:"reader_stall_ms,omitempty"`
	ReaderDelayNS list[int] `yaml:"reader_delay_ns,omitempty"`
	// Fault is injected into both sides, as selftest does: drop=N, work=N, ...
	Fault list[vocab.Fault] `yaml:"fault,omitempty"`
	// Sweep looks for the highest rate without loss, instead of rate_hz.
	Sweep *Sweep `yaml:"sweep,omitempty"`
	// Shows is what the configurations are there for, which decides in what machines they
	// are measured where one kind cannot show all: see [Configuration.Shows].
	Shows string `yaml:"shows,omitempty"`
}

// ShowsAll is the word for a configuration that shows delivery and costs.
const ShowsAll = "all"

// Sweep bisects the rates between two for the highest without loss.
type Sweep struct {
	FromHz float64 `yaml:"from_hz"`
	ToHz   float64 `yaml:"to_hz"`
	Steps  int     `yaml:"steps"` // trials of each side
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

// Pair is what is compared: A and B.
type Pair [2]Side

// UnmarshalYAML reads [A, B], and refuses a list of other things.
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

// Side is a transport with its policy.
type Side struct {
	Transport vocab.Transport
	Policy    vocab.Policy
}

// UnmarshalYAML reads TRANSPORT or TRANSPORT/POLICY.
func (s *Side) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	side, err := ParseSide(text)
	*s = side
	return err
}

// ParseSide reads TRANSPORT or TRANSPORT/POLICY.
func ParseSide(text string) (Side, error) {
	name, policy, hasPolicy := strings.Cut(text, "/")
	kind := vocab.Transport(name)
	if err := OneOf("transport", kind, vocab.Transports()); err != nil {
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
	return Side{kind, parsed}, nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (s Side) MarshalYAML() (any, error) { return s.String(), nil }

// String is the side as one writes it.
func (s Side) String() string { return string(s.Transport) + "/" + string(s.Policy) }

// over fills in what the scenario leaves out.
func (a Axes) over(base Axes) Axes {
	inherit(&a.Pairs, base.Pairs)
	inherit(&a.Workload, base.Workload)
	inherit(&a.Events, base.Events)
	inherit(&a.Batch, base.Batch)
	if a.Sweep == nil && a.RateHz == nil {
		a.Sweep = base.Sweep
	}
	inherit(&a.RateHz, base.RateHz)
	inherit(&a.PayloadBytes, base.PayloadBytes)
	if a.RingBytesTotal == nil && a.RingBytesEach == nil {
		a.RingBytesTotal, a.RingBytesEach = base.RingBytesTotal, base.RingBytesEach
	}
	inherit(&a.Producers, base.Producers)
	inherit(&a.Placement, base.Placement)
	inherit(&a.FlushMS, base.FlushMS)
	inherit(&a.ReaderStallMS, base.ReaderStallMS)
	inherit(&a.ReaderDelayNS, base.ReaderDelayNS)
	inherit(&a.Fault, base.Fault)
	a.Shows = cmp.Or(a.Shows, base.Shows)
	return a
}

func inherit[T any](l *list[T], base list[T]) {
	if *l == nil {
		*l = base
	}
}

// defaults are those of every plan.
func defaults() Axes {
	return Axes{
		Pairs: list[Pair]{{
			{vocab.Perf, vocab.Perf.DefaultPolicy()},
			{vocab.Ringbuf, vocab.Ringbuf.DefaultPolicy()},
		}},
		Workload:      list[vocab.Workload]{vocab.Execve},
		Batch:         list[int]{1},
		RateHz:        list[float64]{0},
		PayloadBytes:  list[int]{vocab.EventBytes},
		Producers:     list[int]{1},
		Placement:     list[vocab.Placement]{vocab.Apart},
		FlushMS:       list[int]{0},
		ReaderStallMS: list[int]{0},
		ReaderDelayNS: list[int]{0},
		Fault:         list[vocab.Fault]{""},
		Shows:         ShowsAll,
	}
}

// Limits of a plan. The size of a perf record is a u16, struct perf_event_header
// in https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/perf_event.h
const (
	maxPayloadBytes = 32 << 10
	maxEvents       = 1_000_000
	// Each event of a batch is two branches for the verifier, which follows 8192:
	// BPF_COMPLEXITY_LIMIT_JMP_SEQ in
	// https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/verifier.c
	maxBatch     = 3000
	maxRingBytes = 1 << 30
	maxBlocks    = 1000
	maxProducers = 1024
	maxMS        = 600_000
	maxTrials    = 100_000
)

// refusal is a value of a key that cannot be.
type refusal struct {
	key string
	err error
}

// check refuses values that no machine could have.
func (a *Axes) check() []refusal {
	var all []refusal
	refuse := func(key string, err error) {
		if err != nil {
			all = append(all, refusal{key, err})
		}
	}
	within := func(key string, values []int, least, most int) {
		if values != nil && len(values) == 0 {
			refuse(key, errors.New("an empty list: nothing would be measured"))
		}
		for _, v := range values {
			if v < least || v > most {
				refuse(key, fmt.Errorf("%d, want %d to %d", v, least, most))
			}
		}
	}
	words(refuse, "workload", a.Workload, vocab.Workloads())
	if a.Shows != "" {
		refuse("shows", OneOf("", a.Shows, []string{ShowsAll, record.ShowsDelivery, record.ShowsCosts}))
	}
	words(refuse, "placement", a.Placement, vocab.Placements())
	within("events", a.Events, 1, maxEvents)
	within("batch", a.Batch, 1, maxBatch)
	within("payload_bytes", a.PayloadBytes, vocab.StormEventBytes, maxPayloadBytes)
	within("producers", a.Producers, 1, maxProducers)
	within("flush_ms", a.FlushMS, 0, maxMS)
	within("reader_stall_ms", a.ReaderStallMS, record.UntilOver, maxMS)
	within("reader_delay_ns", a.ReaderDelayNS, 0, maxMS*1_000_000)
	if a.Pairs != nil && len(a.Pairs) == 0 {
		refuse("pairs", errors.New("an empty list: nothing would be measured"))
	}
	if a.RateHz != nil && len(a.RateHz) == 0 {
		refuse("rate_hz", errors.New("an empty list: nothing would be measured"))
	}
	for _, rate := range a.RateHz {
		if !(rate >= 0 && rate <= 1e9) {
			refuse("rate_hz", fmt.Errorf("%g, want 0 to 1e9", rate))
		}
	}
	for key, sizes := range map[string]list[int]{"ring_bytes_total": a.RingBytesTotal, "ring_bytes_each": a.RingBytesEach} {
		within(key, sizes, 0, maxRingBytes)
		for _, size := range sizes {
			if vocab.CheckRingBytes(size, vocab.PageBytes) != nil {
				refuse(key, fmt.Errorf("%d, want a power of two from 4096 to %d", size, maxRingBytes))
			}
		}
	}
	for _, fault := range a.Fault {
		_, err := vocab.ParseFault(string(fault))
		refuse("fault", err)
	}
	if s := a.Sweep; s != nil && !(s.FromHz > 0 && s.FromHz < s.ToHz && s.ToHz <= 1e9 && s.Steps >= 3 && s.Steps <= 30) {
		refuse("sweep", fmt.Errorf("from %g to %g Hz in %d steps, want rates above 0, the first below the second, and 3 to 30 steps", s.FromHz, s.ToHz, s.Steps))
	}
	return all
}

func words[T ~string](refuse func(string, error), key string, values, valid []T) {
	if values != nil && len(values) == 0 {
		refuse(key, errors.New("an empty list: nothing would be measured"))
	}
	for _, v := range values {
		refuse(key, OneOf("", v, valid))
	}
}
