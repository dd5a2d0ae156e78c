// SPDX-License-Identifier: MIT

package suite

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// one is the results of a package on a kernel.
func one(u *Unit) *Results {
	r := NewResults(&Work{Schema: Schema, Kernels: []string{u.Kernel}, Packages: []Package{{Path: u.Package}}})
	r.Units[u.Key] = u
	return r
}

// TestInterrupted: tests that an interrupt ended are not shown as failed.
func TestInterrupted(t *testing.T) {
	u := &Unit{
		Key: Key{"6.1", "p"}, Code: 125, Problems: []problem.Problem{problem.New(cancelled, "6.1", "x")},
		Events: events("run A\nfail A\nrun B"),
	}
	_, failed := one(u).Compare()
	var got []string
	for _, row := range failed {
		got = append(got, row.Name())
	}
	if diff := cmp.Diff([]string{"p.A"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestFill: a program that was not run has a problem, in the words of exec.
func TestFill(t *testing.T) {
	panicked := problem.New("panic", "6.1", "x")
	for name, test := range map[string]struct {
		unit Unit
		want []problem.Problem
	}{
		"refused":        {unit: Unit{Code: 125, Events: events("output : ringtwin: p.test: no\noutput : more")}, want: []problem.Problem{{Kind: problem.Stopped, Kernel: "6.1", Text: "p.test: no"}}},
		"silent":         {unit: Unit{Code: 125}, want: []problem.Problem{{Kind: problem.Stopped, Kernel: "6.1", Text: "it did not run to its end"}}},
		"it is known":    {unit: Unit{Code: 125, Problems: []problem.Problem{panicked}}, want: []problem.Problem{panicked}},
		"the tests fail": {unit: Unit{Code: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			test.unit.Key = Key{"6.1", "p"}
			test.unit.Fill()
			if diff := cmp.Diff(test.want, test.unit.Problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTwice: of two runs of a unit the one that ran to its end counts.
func TestTwice(t *testing.T) {
	lost := &Unit{Key: Key{"6.1", "p"}, Code: 125, Problems: []problem.Problem{problem.New("panic", "6.1", "x")}}
	whole := &Unit{Key: Key{"6.1", "p"}, Events: events("run A\npass A")}
	var dirs []string
	for _, u := range []*Unit{lost, whole, lost} {
		out := t.TempDir()
		if _, err := one(u).Store(out); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, filepath.Join(out, "test", "latest"))
	}
	r, err := Merge(dirs, nil, means)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, r.Units[whole.Key]); diff != "" {
		t.Error(diff)
	}
}
