// SPDX-License-Identifier: MIT

package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/problem"
	"golang.org/x/sys/unix"
)

// TestConclude: results of an experiment, and their verdicts.
func TestConclude(t *testing.T) {
	good, bad := Check{"a", "1", "1"}, Check{"b", "1", "2"}
	since := Statement{ID: "s", Since: kernel(6, 0, 0)}
	for name, test := range map[string]struct {
		s       Statement
		on      Version
		checks  []Check
		err     error
		verdict Verdict
		seen    string
	}{
		"as expected":        {Statement{}, kernel(5, 10, 1), []Check{good}, nil, Holds, "a: 1"},
		"not":                {Statement{}, kernel(5, 10, 1), []Check{good, bad}, nil, Fails, "b: 2, want 1"},
		"nothing":            {Statement{}, kernel(5, 10, 1), nil, nil, Fails, "nothing was compared"},
		"error":              {Statement{}, kernel(5, 10, 1), []Check{good}, errors.New("oh"), Fails, "oh"},
		"absent, older":      {since, kernel(5, 10, 1), nil, absentError{unix.EINVAL}, NotSupported, "before 6.0: EINVAL"},
		"absent, newer":      {since, kernel(6, 0, 0), nil, absentError{unix.EINVAL}, Fails, "EINVAL, although since 6.0"},
		"there, older":       {since, kernel(5, 10, 1), []Check{good}, nil, Holds, "a: 1; there before 6.0"},
		"absent, never came": {Statement{}, kernel(5, 10, 1), nil, absentError{unix.EINVAL}, Fails, "EINVAL"},
		"cannot":             {since, kernel(6, 1, 0), nil, cannotError("no CPU"), NotSupported, "no CPU"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := (absentError{}); errors.As(test.err, &a) {
				test.err = absentError{errors.New(errnoOf(a.error))}
			}
			r := conclude(test.s, test.on, test.checks, test.err)
			if r.Verdict != test.verdict || r.Seen != test.seen {
				t.Errorf("%s: %q", r.Verdict, r.Seen)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	fix := func(v Version) bool { return v.fixedIn(kernel(6, 10, 0), kernel(6, 1, 98), kernel(5, 10, 222)) }
	for v, want := range map[Version]bool{
		kernel(5, 10, 221): false, kernel(5, 10, 222): true, kernel(5, 10, 300): true, kernel(6, 0, 9): false,
		kernel(6, 1, 97): false, kernel(6, 1, 98): true, kernel(6, 9, 1): false, kernel(6, 10, 0): true, kernel(7, 3, 4): true,
	} {
		if fix(v) != want {
			t.Errorf("%s fixed: %v", v, !want)
		}
	}
	if got := kernel(6, 1, 192).String() + " " + kernel(5, 10, 0).String(); got != "6.1.192 5.10" {
		t.Error(got)
	}
}

// example has one of everything.
func example() *Grid {
	result := func(v Verdict, seen string) Result { return Result{Verdict: v, Seen: seen} }
	column := func(name string, results ...Result) Column {
		c := Column{Kernel: name, Release: name + ".7-test", Results: map[string]Result{}}
		for i, id := range []string{"same", "since", "wrong", "changes"} {
			results[i].ID = id
			c.Results[id] = results[i]
		}
		return c
	}
	return &Grid{
		Statements: []Statement{
			{ID: "same", Group: "first", Text: "It is the same.", Source: "https://a"},
			{ID: "since", Group: "first", Text: "It is there since 6.0.", Source: "https://b", Since: kernel(6, 0, 0)},
			{ID: "wrong", Group: "second", Text: "One | of <these> is *wrong*.", Source: "https://c"},
			{ID: "changes", Group: "second", Text: "It changes.", Source: "https://d"},
		},
		Columns: []Column{
			column("5.10", result(Holds, "n: 1"), result(NotSupported, "before 6.0: EINVAL"), result(Holds, "n: 1"), result(Holds, "n: 1")),
			column("6.1", result(Holds, "n: 1"), result(Holds, "n: 1"), result(Fails, "n: 2, want 1\nmore"), result(Holds, "n: 2")),
			column("7.3", result(Holds, "n: 1"), result(Holds, "n: 1"), result(Holds, "n: 1"), result(Holds, "n: 2")),
			{Kernel: "9.9", Error: "boot-failed: no such thing"},
		},
	}
}

func TestGolden(t *testing.T) {
	grid := example()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"grid.txt":  func(b *bytes.Buffer) error { return grid.Text(b) },
		"grid.md":   func(b *bytes.Buffer) error { return grid.Markdown(b) },
		"grid.json": func(b *bytes.Buffer) error { return grid.JSON(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join("testdata", name), got.String())
		})
	}
	var back Grid
	var text bytes.Buffer
	if err := errors.Join(grid.JSON(&text), json.Unmarshal(text.Bytes(), &back)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*grid, back, cmpopts.IgnoreUnexported(Statement{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDiffers finds the first kernel with another result, even if the verdict is the
// same.
func TestDiffers(t *testing.T) {
	grid := example()
	grid.Columns = grid.Columns[:3]
	for i, want := range []string{"", "6.1", "6.1", "6.1"} {
		if got := grid.Differs(grid.Statements[i]); got != want {
			t.Errorf("%s: %q, want %q", grid.Statements[i].ID, got, want)
		}
	}
}

func TestOutcome(t *testing.T) {
	grid := example()
	expect := func(want problem.Outcome) {
		t.Helper()
		if got := problem.OutcomeOf(grid.Problems()); got != want {
			t.Errorf("%s, want %s: %v", got, want, grid.Problems())
		}
	}
	expect(problem.Failed) // one does not hold
	grid.Statements = grid.Statements[:2]
	expect(problem.Incomplete) // one kernel did not boot
	grid.Columns = grid.Columns[:3]
	expect(problem.Passed)
	grid.Columns = nil
	expect(problem.Incomplete) // nothing was tried
}

// TestBisect finds every boundary with the documented number of tests.
func TestBisect(t *testing.T) {
	for n := 2; n <= 20; n++ {
		for boundary := 1; boundary < n; boundary++ {
			looks := 0
			got, err := Bisect(n, func(i int) (Result, error) {
				looks++
				if i < boundary {
					return Result{Verdict: NotSupported}, nil
				}
				return Result{Verdict: Holds}, nil
			})
			if err != nil || got != boundary {
				t.Errorf("boundary %d of %d: %d, %v", boundary, n, got, err)
			}
			most := 2
			for left := n - 1; left > 1; left = (left + 1) / 2 {
				most++
			}
			if looks > most {
				t.Errorf("%d kernels, %d looks, want at most %d", n, looks, most)
			}
		}
	}
	same := func(int) (Result, error) { return Result{Verdict: Holds}, nil }
	if _, err := Bisect(5, same); !errors.Is(err, ErrSame) {
		t.Errorf("nothing to find: %v", err)
	}
	if _, err := Bisect(1, same); err == nil {
		t.Error("bisected one kernel")
	}
	if _, err := Bisect(3, func(int) (Result, error) { return Result{}, os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("no answer: %v", err)
	}
}

func TestThen(t *testing.T) {
	first := Result{ID: "x", Verdict: Holds, Seen: "a: 1", Checks: []Check{{"a", "1", "1"}}, DurationNS: 1}
	second := Result{ID: "x", Verdict: Holds, Seen: "b: 2", Checks: []Check{{"b", "2", "2"}}, DurationNS: 2}
	want := Result{ID: "x", Verdict: Holds, Seen: "a: 1; b: 2", Checks: []Check{{"a", "1", "1"}, {"b", "2", "2"}}, DurationNS: 3}
	if diff := cmp.Diff(want, first.Then(second)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	second.Verdict, second.Seen = Fails, "b: 3, want 2"
	if got := first.Then(second); got.Verdict != Fails || got.Seen != "b: 3, want 2" {
		t.Errorf("%+v", got)
	}
}
