// SPDX-License-Identifier: MIT

package suite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// events are written as "ACTION TEST" or "output TEST: TEXT", a line each.
func events(text string) []Event {
	var all []Event
	for line := range strings.Lines(text) {
		action, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if action == "" {
			continue
		}
		e := Event{Action: action, Test: rest}
		if action == "output" {
			test, output, _ := strings.Cut(rest, ": ")
			output += "\n"
			e.Test, e.Output = test, &output
		}
		all = append(all, e)
	}
	return all
}

// TestTests: the state of each test, and which of them is to blame for the end.
func TestTests(t *testing.T) {
	panicked := []problem.Problem{problem.New("panic", "6.1", "Kernel panic")}
	splat := []problem.Problem{problem.New("splat", "6.1", "WARNING")}
	warned := []problem.Problem{problem.New(problem.KVM, "6.1", "is there")}
	for name, test := range map[string]struct {
		events   string
		problems []problem.Problem
		want     string // NAME=STATE, with ! for a culprit
	}{
		"all kinds":                 {events: "run A\npass A\nrun B\nfail B\nrun C\nskip C", want: "A=passed B=failed C=skipped"},
		"benchmark":                 {events: "run BenchmarkA\noutput BenchmarkA: x\nbench BenchmarkA", want: "BenchmarkA=passed"},
		"the worst of several runs": {events: "run A\nfail A\nrun A\npass A", want: "A=failed"},
		"skipped, then passed":      {events: "run A\nskip A\nrun A\npass A", want: "A=passed"},
		"panic of the kernel":       {events: "run A\npass A\nrun B", problems: panicked, want: "A=passed B=lost!"},
		"in a subtest":              {events: "run A\nrun A/x\npass A/x\nrun A/y", problems: panicked, want: "A=lost A/x=passed A/y=lost!"},
		"of a name that is longer":  {events: "run A\nrun AB\npass AB", problems: panicked, want: "A=lost! AB=passed"},
		"while others wait":         {events: "run A\npause A\nrun B\npause B\ncont B", problems: panicked, want: "A=lost B=lost!"},
		"splat":                     {events: "run A\npause A\nrun B", problems: splat, want: "A=lost B=splat!"},
		"splat after the tests":     {events: "run A\npass A", problems: splat, want: "A=passed"},
		"the test that wrote last":  {events: "run A\noutput A: === RUN   A\npass A\nrun B\noutput B: === RUN   B\noutput B: x_test.go:3: about to\npass B\nrun C\npass C\noutput :   the program had written last: x_test.go:3: about to", problems: splat, want: "A=passed B=splat! C=passed"},
		"nothing was written":       {events: "run A\npass A\noutput :   the program had written last: ", problems: splat, want: "A=passed"},
		"the program ended":         {events: "run A\npass A\nrun B", want: "A=passed B=failed!"},
		"a warning is no end":       {events: "run A\npass A\nrun B", problems: warned, want: "A=passed B=failed!"},
		"lost in the second run":    {events: "run A\npass A\nrun A", problems: panicked, want: "A=lost!"},
	} {
		t.Run(name, func(t *testing.T) {
			u := &Unit{Key: Key{"6.1", "p"}, Problems: test.problems, Events: events(test.events)}
			var got []string
			for _, x := range u.Tests() {
				word := x.Name + "=" + string(x.State)
				if x.Culprit {
					word += "!"
				}
				got = append(got, word)
			}
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// example has one of everything.
func example() *Results {
	w := &Work{
		Schema: Schema, Command: "go test ./...", Kernels: []string{"5.10", "6.1", "6.12"}, Sources: map[string]string{"6.1": "apt"},
		Packages: []Package{{Path: "m/a"}, {Path: "m/b"}, {Path: "m/none", Reason: "no test files"}, {Path: "m/unbuilt"}, {Path: "m/wrong", Reason: "cannot be loaded: x", Broken: true}},
	}
	r := NewResults(w)
	add := func(kernel, path string, code int, text string, problems ...problem.Problem) *Unit {
		u := &Unit{Key: Key{kernel, path}, Code: code, Seconds: 1, Events: events(text), Problems: problems}
		r.Units[u.Key] = u
		return u
	}
	add("5.10", "m/a", 1, "run T\nrun T/x\npass T/x\nrun T/y\noutput T/y: everywhere\nfail T/y\nfail T\nrun S\nskip S\nrun Z\npass Z")
	add("6.1", "m/a", 1, "run T\nrun T/x\noutput T/x: === RUN   T/x\noutput T/x: only <here>\nfail T/x\nrun T/y\noutput T/y: everywhere\nfail T/y\nfail T\nrun S\npass S\nrun Z\npass Z")
	add("6.12", "m/a", 1, "run T\nrun T/x\npass T/x\nrun T/y\nfail T/y\nfail T\nrun S\npass S\nrun Z\npass Z")
	add("5.10", "m/b", 0, "run P\npass P\nrun Q\npass Q")
	add("6.1", "m/b", 125, "run P\npass P\nrun Q\noutput Q: ringtwin: panic: x", problem.New("panic", "6.1", "Kernel panic - x"), problem.New(problem.KVM, "6.1", "is there"))
	add("6.12", "m/b", 0, "run P\npass P\nrun Q\npass Q")
	for _, k := range w.Kernels {
		add(k, "m/unbuilt", 1, "").Unbuilt = "# m/unbuilt\n./u_test.go:3: undefined: u"
	}
	return r
}

// TestReports: what differs between kernels comes first, then what fails on all.
func TestReports(t *testing.T) {
	r := example()
	var text, markdown, junit bytes.Buffer
	problems := r.All()
	for _, err := range []error{r.Text(&text), r.Markdown(&markdown, problems), r.JUnit(&junit)} {
		if err != nil {
			t.Error(err)
		}
	}
	golden.Check(t, "testdata/report.txt", text.String())
	golden.Check(t, "testdata/report.md", markdown.String())
	golden.Check(t, "testdata/report.xml", junit.String())
}

// TestJSON: the events are those of go test, with the kernel.
func TestJSON(t *testing.T) {
	r := example()
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	kernels := map[string]int{}
	for line := range bytes.Lines(b.Bytes()) {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		kernels[e.Kernel]++
	}
	if len(kernels) != 3 || kernels["5.10"] == 0 {
		t.Errorf("events by kernel: %v", kernels)
	}
}

// shards stores the example as shares of a number of machines.
func shards(t *testing.T, r *Results, of int) []string {
	t.Helper()
	var dirs []string
	for i := 1; i <= of; i++ {
		w := *r.Work
		w.Shard = plan.Shard{Index: i, Of: of}
		share := NewResults(&w)
		for _, key := range w.Units() {
			share.Units[key] = r.Units[key]
		}
		out := t.TempDir()
		if _, err := share.Store(out); err == nil {
			// Store writes what of all units there is.
			dirs = append(dirs, filepath.Join(out, "test", "latest"))
		} else {
			t.Fatal(err)
		}
	}
	return dirs
}

// means takes SOURCE:KERNEL.
func means(word, kernel, source string) bool { return word == source+":"+kernel }

// TestMerge: shares in any order give the whole, with any number of them.
func TestMerge(t *testing.T) {
	want := example()
	for _, of := range []int{1, 2, 3, 4, 20} {
		dirs := shards(t, want, of)
		slices.Reverse(dirs)
		got, err := Merge(dirs, []string{"apt:6.1"}, means)
		if err != nil {
			t.Fatal(err)
		}
		want.Work.Shard = plan.Shard{Index: 1, Of: 1}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%d shards:\n%s", of, diff)
		}
	}
}

// TestMergeMissing: what is missing is a problem, and is named.
func TestMergeMissing(t *testing.T) {
	dirs := shards(t, example(), 3)
	texts := func(dirs, expected []string) []string {
		t.Helper()
		r, err := Merge(dirs, expected, means)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range r.Problems {
			all = append(all, p.String())
		}
		return all
	}
	if diff := cmp.Diff([]string{"missing: shard 2/3 has no results: 3 packages on 6.1"}, texts([]string{dirs[2], dirs[0]}, nil)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"9.9: missing: was expected, and no run has it"}, texts(dirs, []string{"6.1", "9.9"})); diff != "" {
		t.Error(diff)
	}
	// A run that was killed has half a line at its end.
	units := filepath.Join(dirs[0], unitsFile)
	text, err := os.ReadFile(units)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(units, text[:len(text)-10], 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"5.10: short: 1 packages have no results"}, texts(dirs, nil)); diff != "" {
		t.Error(diff)
	}
	other := example()
	other.Work.Kernels = other.Work.Kernels[:2]
	if _, err := Merge(append(shards(t, other, 3), dirs...), nil, means); err == nil || !strings.Contains(err.Error(), "shard of other work") {
		t.Errorf("shards of other work: %v", err)
	}
}

// TestMatrix: runs on a kernel each are joined, too.
func TestMatrix(t *testing.T) {
	want := example()
	var dirs []string
	for _, kernel := range want.Work.Kernels {
		w := *want.Work
		w.Kernels, w.Shard = []string{kernel}, plan.Shard{Index: 1, Of: 1}
		one := NewResults(&w)
		for _, key := range w.All() {
			one.Units[key] = want.Units[key]
		}
		out := t.TempDir()
		if _, err := one.Store(out); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, filepath.Join(out, "test", "latest"))
	}
	got, err := Merge(dirs, want.Work.Kernels, means)
	if err != nil {
		t.Fatal(err)
	}
	want.Work.Shard = plan.Shard{Index: 1, Of: 1}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// FuzzUnit: any line of a run is read or refused, and can be shown.
func FuzzUnit(f *testing.F) {
	for _, u := range example().Units {
		text, err := json.Marshal(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		u := &Unit{}
		if json.Unmarshal(line, u) != nil {
			return
		}
		w := &Work{Schema: Schema, Kernels: []string{u.Kernel}, Packages: []Package{{Path: u.Package}}}
		r := &Results{Work: w, Units: map[Key]*Unit{u.Key: u}}
		var b bytes.Buffer
		if err := r.Text(&b); err != nil {
			t.Error(err)
		}
		if err := r.Markdown(&b, r.All()); err != nil {
			t.Error(err)
		}
	})
}
