package verdict

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ringtwin/ringtwin/harness/record"
)

// keys are what trials can be told apart by on the command line, with what goes
// with each: who compares transports does not want the same policy of both.
var keys = []struct {
	name string
	of   func(*record.Trial) string
	with []string
}{
	{"kernel", func(t *record.Trial) string { return t.Kernel.Want }, []string{"release"}},
	{"release", func(t *record.Trial) string { return t.Kernel.Release }, []string{"kernel"}},
	{"plan", func(t *record.Trial) string { return t.Trial.Plan }, nil},
	{"scenario", func(t *record.Trial) string { return t.Trial.Scenario }, nil},
	{"setup", func(t *record.Trial) string { return strconv.Itoa(t.Trial.Setup) }, nil},
	{"transport", func(t *record.Trial) string { return t.Cell.Transport }, []string{"policy", "flush", "ring", "side"}},
	{"policy", func(t *record.Trial) string { return t.Cell.Policy }, []string{"flush", "side"}},
	{"flush", func(t *record.Trial) string { return strconv.Itoa(t.Cell.FlushMS) }, nil},
	{"workload", func(t *record.Trial) string { return t.Cell.Workload }, []string{"payload", "events", "batch"}},
	{"attach", func(t *record.Trial) string { return t.Cell.Attach }, nil},
	{"events", func(t *record.Trial) string { return strconv.Itoa(t.Cell.Events) }, nil},
	{"batch", func(t *record.Trial) string { return strconv.Itoa(t.Cell.Batch) }, []string{"events"}},
	{"rate", rateOf, nil},
	{"payload", func(t *record.Trial) string { return strconv.Itoa(t.Cell.PayloadBytes) }, nil},
	{"ring", func(t *record.Trial) string { return strconv.Itoa(t.Cell.RingBytes) }, nil},
	{"equal", func(t *record.Trial) string { return t.Cell.Equal }, []string{"ring"}},
	{"producers", func(t *record.Trial) string { return strconv.Itoa(t.Cell.Producers) }, []string{"events"}},
	{"placement", func(t *record.Trial) string { return t.Cell.Placement }, nil},
	{"stall", func(t *record.Trial) string { return strconv.Itoa(t.Cell.ReaderStallMS) }, nil},
	{"delay", func(t *record.Trial) string { return strconv.Itoa(t.Cell.ReaderDelayNS) }, nil},
	{"side", func(t *record.Trial) string { return t.Trial.Side }, []string{"transport", "policy", "ring"}},
	{"cpus", func(t *record.Trial) string { return strconv.Itoa(t.Machine.CPUs) }, []string{"ring"}},
}

// rateOf is empty in a sweep, where each side chooses its own.
func rateOf(t *record.Trial) string {
	if t.Trial.Step > 0 {
		return "sweep"
	}
	return fmt.Sprint(t.Cell.RateHz)
}

// Keys names what a [Slice] can be cut by.
func Keys() []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	return append(all, "run")
}

// Slice is the trials of which some keys have these values.
type Slice map[string]string

// Has reports whether the trial is of the slice.
func (s Slice) Has(t *record.Trial) bool {
	for _, k := range keys {
		if want, ok := s[k.name]; ok && want != k.of(t) {
			return false
		}
	}
	run, ok := s["run"]
	return !ok || run == t.Trial.Run
}

// String is the slice as one writes it.
func (s Slice) String() string {
	var parts []string
	for _, key := range Keys() {
		if value, ok := s[key]; ok {
			parts = append(parts, key+"="+value)
		}
	}
	return strings.Join(parts, ",")
}

// group is the trial's values of all keys but those.
func group(t *record.Trial, without map[string]bool) string {
	var b strings.Builder
	for _, k := range keys {
		if !without[k.name] {
			b.WriteString(k.of(t))
			b.WriteByte(0)
		}
	}
	return b.String()
}

// CompareSlices compares two groups of trials, each pair of set-ups that is equal
// in all but the keys that the slices differ by, in the order of A. What only one
// of them has is left out, and counted.
//
// It is an error if two machines must not be compared, which is said once for
// each pair of them.
func CompareSlices(a, b []*record.Trial, by []string, labelA, labelB string) (all []Comparison, unpaired int, err error) {
	without := map[string]bool{}
	for _, key := range by {
		without[key] = true
		for _, k := range keys {
			if k.name == key {
				for _, other := range k.with {
					without[other] = true
				}
			}
		}
	}
	// What is compared may be in one set-up of the plan, or in two of them.
	both, unpaired := pairSides(a, b, without)
	if len(both) == 0 && len(by) > 0 {
		without["setup"], without["scenario"] = true, true
		both, unpaired = pairSides(a, b, without)
	}
	for _, g := range both {
		if err := comparable(&g.a[0].Machine, &g.b[0].Machine); err != nil {
			return nil, 0, fmt.Errorf("%s, and %s: %w", g.a[0].ID, g.b[0].ID, err)
		}
	}
	all = make([]Comparison, len(both))
	var wg sync.WaitGroup
	next := atomic.Int64{}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(both); i = int(next.Add(1)) - 1 {
				all[i] = compareSides(both[i].a, both[i].b, labelA, labelB)
			}
		})
	}
	wg.Wait()
	return all, unpaired, nil
}

// sides are trials to be compared.
type sides struct{ a, b []*record.Trial }

// pairSides groups trials that are equal in all but some keys, and counts those of
// groups that have one side only.
func pairSides(a, b []*record.Trial, without map[string]bool) (both []*sides, unpaired int) {
	var order []string
	groups := map[string]*sides{}
	for i, trials := range [][]*record.Trial{a, b} {
		for _, t := range trials {
			key := group(t, without)
			if groups[key] == nil {
				groups[key] = &sides{}
				order = append(order, key)
			}
			if g := groups[key]; i == 0 {
				g.a = append(g.a, t)
			} else {
				g.b = append(g.b, t)
			}
		}
	}
	for _, key := range order {
		g := groups[key]
		if len(g.a) == 0 || len(g.b) == 0 {
			unpaired += len(g.a) + len(g.b)
			continue
		}
		both = append(both, g)
	}
	return both, unpaired
}

// comparable refuses two machines whose figures have nothing to do with each other.
func comparable(a, b *record.Machine) error {
	for _, x := range []struct{ what, a, b string }{
		{"clocks", a.Clock, b.Clock},
		{"accelerators", a.Accel, b.Accel},
		{"backends", a.Backend, b.Backend},
		{"CPU models", a.CPUModel, b.CPUModel},
	} {
		if x.a != x.b {
			return fmt.Errorf("the machines have different %s, %q and %q, and must not be compared", x.what, cmp.Or(x.a, "unknown"), cmp.Or(x.b, "unknown"))
		}
	}
	if a.Clock == record.Virtual && a.Version != b.Version {
		return fmt.Errorf("virtual time counts what one build of QEMU executes: %q and %q must not be compared", a.Version, b.Version)
	}
	return nil
}

func compareSides(a, b []*record.Trial, labelA, labelB string) Comparison {
	first := a[0]
	c := Comparison{
		Plan: first.Trial.Plan, Kernel: first.Kernel, Machine: first.Machine,
		Setup: first.Trial.Setup, Scenario: first.Trial.Scenario,
		LabelA: labelA, LabelB: labelB, A: first.Cell, B: b[0].Cell,
		Planned: len(a) + len(b), Statuses: map[record.Status]int{},
	}
	for _, t := range slices.Concat(a, b) {
		c.Statuses[t.Status]++
		if t.Status != record.OK {
			c.addReason(t)
		}
	}
	bad := func(t *record.Trial) bool { return t.Status != record.OK }
	c.fill(slices.DeleteFunc(slices.Clone(a), bad), slices.DeleteFunc(slices.Clone(b), bad))
	return c
}
