package verdict

import (
	"math"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

// virtualOf is a trial in virtual time whose event takes so many instructions.
func virtualOf(kernel, transport string, block int, instructions float64) *record.Trial {
	t := trialOf(transport, block, 100)
	t.Kernel = record.Kernel{Want: kernel, Release: kernel}
	t.Machine = record.Machine{Clock: record.Virtual, Accel: "tcg", Backend: "qemu", Version: "7.2"}
	t.Cost.InstructionsPerEvent = instructions
	return &t
}

func TestCompareSlices(t *testing.T) {
	a := []*record.Trial{virtualOf("6.1", "perf", 0, 200), virtualOf("6.12", "perf", 0, 300), virtualOf("5.10", "perf", 0, 1)}
	b := []*record.Trial{virtualOf("6.12", "ringbuf", 0, 150), virtualOf("6.1", "ringbuf", 0, 50)}
	all, unpaired, err := CompareSlices(a, b, []string{"transport"}, "perf", "ringbuf")
	if err != nil || len(all) != 2 || unpaired != 1 {
		t.Fatalf("%d comparisons, %d unpaired, %v", len(all), unpaired, err)
	}
	for i, want := range []float64{0.25, 0.5} {
		r := all[i].Row("instructions_per_event")
		if r == nil || math.Abs(r.Ratio-want) > 1e-12 || r.Verdict != BBetter {
			t.Errorf("row %+v", r)
		}
	}
	kernels, _, err := CompareSlices(a[:1], a[1:2], []string{"kernel"}, "6.1", "6.12")
	if err != nil || len(kernels) != 1 || math.Abs(kernels[0].Row("instructions_per_event").Ratio-1.5) > 1e-12 {
		t.Errorf("%+v, %v", kernels, err)
	}
	if none, unpaired, err := CompareSlices(a, b, nil, "A", "B"); err != nil || len(none) != 0 || unpaired != 5 {
		t.Errorf("%d comparisons of different transports, %d unpaired, %v", len(none), unpaired, err)
	}
}

func TestMachinesThatMustNotBeCompared(t *testing.T) {
	for name, change := range map[string]func(*record.Machine){
		"clocks":       func(m *record.Machine) { m.Clock = record.Wall },
		"accelerators": func(m *record.Machine) { m.Accel = "kvm" },
		"backends":     func(m *record.Machine) { m.Backend = "vng" },
		"CPU models":   func(m *record.Machine) { m.CPUModel = "other" },
		"one build":    func(m *record.Machine) { m.Version = "8.0" },
	} {
		a, b := virtualOf("6.1", "perf", 0, 1), virtualOf("6.1", "perf", 0, 1)
		change(&b.Machine)
		_, _, err := CompareSlices([]*record.Trial{a}, []*record.Trial{b}, nil, "A", "B")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGate(t *testing.T) {
	gate := func(text string, a, b *record.Trial) Outcome {
		t.Helper()
		g, err := ParseGate(text)
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := CompareSlices([]*record.Trial{a}, []*record.Trial{b}, nil, "A", "B")
		if err != nil || len(all) != 1 {
			t.Fatalf("%d comparisons, %v", len(all), err)
		}
		return g.Check(&all[0])
	}
	one := func(instructions float64) *record.Trial { return virtualOf("6.1", "perf", 0, instructions) }
	for _, test := range []struct {
		b      float64
		failed bool
	}{{1000, false}, {1004, false}, {1006, true}, {1010, true}, {900, false}} {
		out := gate("instructions_per_event<=0.5%", one(1000), one(test.b))
		if !out.Measured || out.Failed != test.failed {
			t.Errorf("1000, then %g: %+v", test.b, out)
		}
	}
	if out := gate("instructions_per_event<=0.5%", one(0), one(0)); out.Measured || out.Failed {
		t.Errorf("what nobody measured: %+v", out)
	}
	lossy := one(1000)
	lossy.Counts.Failed = map[string]uint64{"ENOSPC": 3}
	if out := gate("loss<=0", one(1000), lossy); !out.Measured || !out.Failed {
		t.Errorf("one more event lost: %+v", out)
	}
	if out := gate("loss<=0", lossy, one(1000)); !out.Measured || out.Failed {
		t.Errorf("one event less lost: %+v", out)
	}
	wall := func() *record.Trial {
		w := one(1000)
		w.Machine.Clock = record.Wall
		return w
	}
	if out := gate("latency_p50<=5%", wall(), wall()); out.Measured || out.Failed {
		t.Errorf("one block on a wall's clock: %+v", out)
	}
	for _, bad := range []string{"x", "x<=", "x<=-1%", "x<=y", "x=1", "x<=NaN", "x<=Inf"} {
		if g, err := ParseGate(bad); err == nil {
			t.Errorf("%q is %v", bad, g)
		}
	}
}
