// SPDX-License-Identifier: MIT

// Package profile makes the profile of a trial of what a plugin counted, and compares
// profiles by function. It is a pure function of counts and records.
package profile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Counts are those of a context.
type Counts record.ProfileCounts

// Counted is what a plugin counted in a machine.
type Counted struct {
	Plugin   string // digits of its hash
	Caches   string // of the model; empty: none
	Contexts []Context
	Windows  []Window
}

// Context is a function, called in its parent, which comes before it.
type Context struct {
	Parent  int // -1: none
	Name    string
	Address uint64 // of one without a name
}

// The kinds of windows, as they are marked in package trial and in load.c.
const (
	Stretch = 0 // of a producer
	Reading = 1
)

// Window is what one thread executed between two marks.
type Window struct {
	Kind   int
	Part   int // of the trial
	Thread uint64
	Counts map[int]Counts // by context
}

// Program is generated code: a BPF program.
type Program struct {
	Name    string `json:"name"`
	Address uint64 `json:"address"`
	Bytes   uint64 `json:"bytes"`
}

// Spent are the CPU times of a trial by the guest's clock, in ns, which are instructions.
type Spent struct {
	// Program is of the producers, and Control with an empty program attached.
	Program Middle `json:"program"`
	Control Middle `json:"control"`
	// ReaderNS is what the reading thread used.
	ReaderNS int64 `json:"reader_ns"`
	// Programs are those that were loaded for the trial, and Empty those for the control,
	// which may have had the same addresses.
	Programs []Program `json:"programs,omitempty"`
	Empty    []Program `json:"empty,omitempty"`
}

// Middle is the median of the stretches of calls of producers.
type Middle struct {
	Stretches int   `json:"stretches"` // how many there were; 0: too few calls
	Calls     int64 `json:"calls"`     // in each
	NS        int64 `json:"ns"`        // of the two in the middle together
}

// The parts of a trial.
const (
	controlPart  = 1
	measuredPart = 2
	trialParts   = 2
)

// PartsOf are the first and the last part of the n-th trial of a request, from 0, as they
// are numbered in a machine.
func PartsOf(n int) (first, last int) { return trialParts*n + controlPart, trialParts*n + measuredPart }

// Of returns the profile of a trial. The parts of its windows are numbered from 1. Only a
// storm at full rate with at least 64 calls of each producer has one of the program, for
// only its cost is that of stretches above a control.
func Of(counted *Counted, t *record.Trial, spent *Spent) (*record.Profile, error) {
	b := &builder{counted: counted, spent: spent, index: map[string]int{}, profile: &record.Profile{Plugin: counted.Plugin, Caches: counted.Caches}}
	if spent.Program.Stretches > 0 && spent.Control.Stretches > 0 {
		tried := int64(t.Counts.Attempts / max(t.Counts.Started, 1))
		if err := b.program(max(tried, 1)); err != nil {
			return nil, err
		}
	}
	reader, err := b.reader(measuredPart)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	of := stacks{b: b, merged: map[string]*record.Stack{}}
	of.add(reader, 1, spent.Programs)
	b.profile.Reader = of.part(int64(t.Counts.Delivered))
	return b.profile, nil
}

// program is what the producers executed above the control, each of whose calls tried so
// many events.
func (b *builder) program(tried int64) error {
	program, err := b.middle(measuredPart, &b.spent.Program)
	if err != nil {
		return fmt.Errorf("program: %w", err)
	}
	empty, err := b.middle(controlPart, &b.spent.Control)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	// To a common number of calls, so that all stay whole numbers.
	calls, controls := b.spent.Program.Calls, b.spent.Control.Calls
	if calls == controls {
		calls, controls = 1, 1
	}
	above := stacks{b: b, merged: map[string]*record.Stack{}}
	above.add(program, controls, b.spent.Programs)
	above.add(empty, -calls, b.spent.Empty)
	b.profile.Program = above.part(2 * b.spent.Program.Calls * controls * tried)
	return nil
}

func add(to map[int]Counts, from map[int]Counts, times int64) {
	for context, counts := range from {
		sum := to[context]
		for i, n := range counts {
			sum[i] += times * n
		}
		to[context] = sum
	}
}

type builder struct {
	counted *Counted
	spent   *Spent
	index   map[string]int
	profile *record.Profile
}

// perThread is how many stretches a producer has: STRETCHES of load.h.
const perThread = 64

// stretches are the windows of a part that are stretches of calls. Each thread has one
// more, of the calls that are left; threads with fewer look for lost events afterwards.
func (b *builder) stretches(part, n int) []*Window {
	each := map[uint64][]*Window{}
	var threads []uint64
	for i := range b.counted.Windows {
		w := &b.counted.Windows[i]
		if w.Part != part || w.Kind != Stretch {
			continue
		}
		if each[w.Thread] == nil {
			threads = append(threads, w.Thread)
		}
		each[w.Thread] = append(each[w.Thread], w)
	}
	var all []*Window
	for _, thread := range threads {
		if len(each[thread]) >= perThread && len(all) < n {
			all = append(all, each[thread][:perThread]...)
		}
	}
	return all
}

// middle are the counts of the two stretches, or twice of the one, whose mean is the
// median.
func (b *builder) middle(part int, m *Middle) (map[int]Counts, error) {
	windows := b.stretches(part, m.Stretches)
	if len(windows) != m.Stretches {
		return nil, fmt.Errorf("%d windows and %d stretches", len(windows), m.Stretches)
	}
	slices.SortStableFunc(windows, func(a, b *Window) int { return cmp.Compare(a.total(), b.total()) })
	n := len(windows) // above 0
	sum := map[int]Counts{}
	add(sum, windows[(n-1)/2].Counts, 1)
	add(sum, windows[n/2].Counts, 1)
	return sum, nil
}

func (w *Window) total() int64 {
	var n int64
	for _, c := range w.Counts {
		n += c[record.Instructions]
	}
	return n
}

func (b *builder) reader(part int) (map[int]Counts, error) {
	for i := range b.counted.Windows {
		if w := &b.counted.Windows[i]; w.Part == part && w.Kind == Reading {
			return w.Counts, nil
		}
	}
	return nil, errors.New("no window")
}

// stacks merges the contexts that have the same names.
type stacks struct {
	b      *builder
	merged map[string]*record.Stack
}

func (s *stacks) add(counts map[int]Counts, times int64, programs []Program) {
	for _, context := range slices.Sorted(maps.Keys(counts)) {
		frames := s.b.frames(context, programs)
		key := fmt.Sprint(frames)
		if s.merged[key] == nil {
			s.merged[key] = &record.Stack{Frames: frames}
		}
		for i, n := range counts[context] {
			s.merged[key].Counts[i] += times * n
		}
	}
}

// part are those that are not 0 in all counts, sorted by name.
func (s *stacks) part(per int64) record.Part {
	p := record.Part{Per: per}
	for _, stack := range s.merged {
		if stack.Counts != (record.ProfileCounts{}) {
			p.Stacks = append(p.Stacks, *stack)
		}
	}
	slices.SortFunc(p.Stacks, func(x, y record.Stack) int {
		return slices.CompareFunc(x.Frames, y.Frames, func(a, c int) int {
			return cmp.Compare(s.b.profile.Functions[a], s.b.profile.Functions[c])
		})
	})
	return p
}

// atRoot is where nothing is known of the function: before the first of a new thread.
const atRoot = "[unknown]"

func (b *builder) frames(context int, programs []Program) []int {
	var frames []int
	for c := context; c > 0; c = b.counted.Contexts[c].Parent {
		frames = append(frames, b.function(name(&b.counted.Contexts[c], programs)))
	}
	if len(frames) == 0 {
		frames = []int{b.function(atRoot)}
	}
	slices.Reverse(frames)
	return frames
}

// generated is code that is neither the kernel's nor a program's: a trampoline.
const generated = "[generated code]"

func name(c *Context, programs []Program) string {
	if c.Name != "" {
		return c.Name
	}
	for _, p := range programs {
		if c.Address >= p.Address && c.Address < p.Address+p.Bytes {
			return p.Name
		}
	}
	return generated
}

func (b *builder) function(name string) int {
	i, ok := b.index[name]
	if !ok {
		i = len(b.profile.Functions)
		b.index[name] = i
		b.profile.Functions = append(b.profile.Functions, name)
	}
	return i
}
