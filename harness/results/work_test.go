// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
)

const sizesPlan = `
name: sizes
workload: storm
events: 200
blocks: 2
ring_bytes_total: 65536
scenarios:
  - {name: sizes, payload_bytes: [16, 64], shows: costs}
  - {name: sweep, sweep: {from_hz: 1000, to_hz: 64000, steps: 3}}
`

// workOf is the work of a plan on two kernels, of which one cannot be resolved.
func workOf(t *testing.T, text string, shard plan.Shard) *Work {
	t.Helper()
	p, err := plan.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWork(p, "auto", 2, shard)
	if err != nil {
		t.Fatal(err)
	}
	w.Kernels = []WorkKernel{{Name: "apt:6.1", Package: "linux-image=1"}, {Name: "9.9", Reason: "not found"}}
	return w
}

// TestWorkText: each unit has a line, with what its configuration differs in; a kernel that
// cannot be resolved is in all forms, and so are the sums.
func TestWorkText(t *testing.T) {
	w := workOf(t, sizesPlan, plan.Shard{})
	for name, test := range map[string]struct {
		write func(io.Writer) error
		want  string
	}{
		"text": {w.Write, `kernel   configuration  sides                          values            trials
apt:6.1  0 sizes        perf/every : ringbuf/adaptive  payload_bytes=16  8
apt:6.1  1 sizes        perf/every : ringbuf/adaptive  payload_bytes=64  8
apt:6.1  2 sweep        perf/every : ringbuf/adaptive  -                 12
9.9      0 sizes        perf/every : ringbuf/adaptive  payload_bytes=16  8
9.9      1 sizes        perf/every : ringbuf/adaptive  payload_bytes=64  8
9.9      2 sweep        perf/every : ringbuf/adaptive  -                 12
9.9 cannot be measured: not found
Where VMs are emulated, a configuration without a purpose is measured twice: counts by the wall clock, costs in virtual time.
plan sizes, shard 1/1: 6 of 6 units, 56 of 56 trials
`},
		"matrix": {w.WriteMatrix, `[{"kernel":"apt:6.1","file":"apt_6.1"},{"kernel":"9.9","file":"9.9"}]
`},
		"matrix of a share": {workOf(t, sizesPlan, plan.Shard{Index: 2, Of: 2}).WriteMatrix, `[{"kernel":"9.9","file":"9.9"}]
`},
		"matrix of none": {workOf(t, sizesPlan, plan.Shard{Index: 1, Of: 100}).WriteMatrix, "[]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := test.write(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWorkShare: what the shards measure is all of it, each unit once.
func TestWorkShare(t *testing.T) {
	for of := 1; of < 10; of++ {
		times := map[string]int{}
		for i := range of {
			w := workOf(t, sizesPlan, plan.Shard{Index: i + 1, Of: of})
			for _, k := range w.Kernels {
				share, any := w.Share(k.Name), false
				for _, c := range w.Configurations {
					if share(&plan.Configuration{Number: c.Number}) {
						times[k.Name+" "+c.name()]++
						any = true
					}
				}
				if any != w.Has(k.Name) {
					t.Errorf("shard %s, kernel %s: %v", w.Shard, k.Name, any)
				}
			}
		}
		for unit, n := range times {
			if n != 1 {
				t.Errorf("%d shards: %s is measured %d times", of, unit, n)
			}
		}
		if len(times) != 6 {
			t.Errorf("%d shards: %d units, want 6", of, len(times))
		}
	}
}

// TestWorkFile: what is stored is read again, and nothing else is.
func TestWorkFile(t *testing.T) {
	d := &Dir{Path: t.TempDir()}
	want := workOf(t, sizesPlan, plan.Shard{Index: 2, Of: 3}).End([]error{nil, errors.New("splat\nand more")})
	if err := d.Store(want); err != nil {
		t.Fatal(err)
	}
	got, err := readWork(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got.Ended || len(got.Errors) != 1 || got.Errors[0] != "splat" {
		t.Errorf("ended %v, errors %q", got.Ended, got.Errors)
	}
}

func FuzzWork(f *testing.F) {
	f.Add(`{"schema":"ringtwin/work/v1","shard":"2/3","kernels":[{"name":"6.1"}],"configurations":[{"configuration":0,"trials":4}]}`)
	f.Add(`{"schema":"ringtwin/work/v2"}`)
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseWork([]byte(text))
		if err != nil {
			return
		}
		n := 0
		for i := range min(w.Shard.Of, 50) {
			n += len(w.of(plan.Shard{Index: i + 1, Of: min(w.Shard.Of, 50)}))
		}
		if n != len(w.All()) {
			t.Errorf("%q: the shards have %d of %d units", text, n, len(w.All()))
		}
	})
}

// numbered are trials of one clock, with the numbers that a machine gives them. A
// configuration has a block of two trials, and more while it is undecided.
func numbered(run string, planned int, blocks ...[3]int) (all []record.Trial) {
	for _, b := range blocks { // block, configuration, trials planned until then
		for position := range 2 {
			all = append(all, record.Trial{
				Machine: record.Machine{Clock: record.Virtual},
				Trial:   record.Place{Run: run, Block: b[0], Configuration: b[1], Position: position, Trials: planned + b[2]},
			})
		}
	}
	return all
}

// TestJoin: the number of planned trials is that of one machine that measures all, whose
// undecided configurations take turns.
func TestJoin(t *testing.T) {
	one := [][]record.Trial{numbered("virtual", 6, [3]int{0, 0, 0}, [3]int{0, 1, 0}, [3]int{0, 2, 0}, [3]int{1, 0, 2}, [3]int{1, 2, 4}, [3]int{2, 2, 6})}
	want := join(one, 0)
	shards := [][]record.Trial{
		numbered("virtual", 2, [3]int{0, 2, 0}, [3]int{1, 2, 2}, [3]int{2, 2, 4}),
		numbered("virtual", 4, [3]int{0, 0, 0}, [3]int{0, 1, 0}, [3]int{1, 0, 2}),
	}
	if diff := cmp.Diff(want, join(shards, 0)); diff != "" {
		t.Errorf("(-one machine +two):\n%s", diff)
	}
	for _, trial := range join(shards[1:], 2) {
		if n := 6 + 2*trial.Trial.Block; trial.Trial.Trials != n {
			t.Errorf("without a share of 2 trials: block %d has %d, want %d", trial.Trial.Block, trial.Trial.Trials, n)
		}
	}
	if got := join(nil, 4); len(got) != 0 {
		t.Errorf("%d trials of none", len(got))
	}
}

func TestNatural(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"5.9", "5.10", -1}, {"5.10", "5.10", 0}, {"6.1", "5.10", 1}, {"6.1", "6.1+rt", -1}, {"apt:6.1", "mainline:6.1", -1}, {"", "6.1", -1},
	} {
		if got := natural(test.a, test.b); got != test.want {
			t.Errorf("%s, %s: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
