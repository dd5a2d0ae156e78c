// SPDX-License-Identifier: MIT

package suite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/internal/problem"
)

// Event is a line of go test -json: https://pkg.go.dev/cmd/test2json
type Event struct {
	Time    string   `json:",omitempty"`
	Action  string   `json:",omitempty"`
	Package string   `json:",omitempty"`
	Test    string   `json:",omitempty"`
	Elapsed *float64 `json:",omitempty"`
	Output  *string  `json:",omitempty"`
	// Kernel is not go test's.
	Kernel string `json:",omitempty"`
}

// State is how a test or a package ended.
type State string

// The states.
const (
	Passed  State = "passed"
	Failed  State = "failed"
	Skipped State = "skipped"
	Splat   State = "splat" // the kernel complained while it ran
	Lost    State = "lost"  // the machine ended, or was ended, while it ran
	NotRun  State = "-"
)

// rank orders states, the worst first.
func (s State) rank() int {
	return slices.Index([]State{Lost, Splat, Failed, Passed, Skipped, NotRun}, s)
}

// Test is one test, or a subtest, whose name has a slash.
type Test struct {
	Name    string
	State   State
	Seconds float64
	Output  string
	// Culprit means that it ran when the machine or the program ended.
	Culprit bool
	paused  bool
}

// Tests are those that began, in order. One that ran several times has its worst state.
func (u *Unit) Tests() []Test {
	var tests []Test
	index := map[string]int{}
	ended := map[string]bool{}
	for _, e := range u.Events {
		if e.Test == "" {
			continue
		}
		i, ok := index[e.Test]
		if !ok {
			i = len(tests)
			index[e.Test] = i
			tests = append(tests, Test{Name: e.Test, State: NotRun})
		}
		t := &tests[i]
		if e.Output != nil {
			t.Output += *e.Output
		}
		switch e.Action {
		case "run", "cont":
			t.paused = false
			if e.Action == "run" {
				ended[e.Test] = false
			}
		case "pause":
			t.paused = true
		case "pass", "bench", "fail", "skip":
			ended[e.Test] = true
			state := map[string]State{"fail": Failed, "skip": Skipped}[e.Action]
			if state = cmp.Or(state, Passed); t.State == NotRun || state.rank() < t.State.rank() {
				t.State = state
			}
			if e.Elapsed != nil {
				t.Seconds += *e.Elapsed
			}
		}
	}
	u.blame(tests, ended)
	if u.State() == Splat {
		u.complained(tests)
	}
	return tests
}

// blame marks tests that have no end: those that ran, unless a subtest of theirs did,
// are the culprits.
func (u *Unit) blame(tests []Test, ended map[string]bool) {
	state := Failed
	if broken := problem.Errors(u.Problems); len(broken) > 0 {
		if state = Lost; broken[0].Kind == "splat" {
			state = Splat
		}
	}
	for i := range tests {
		t := &tests[i]
		if ended[t.Name] {
			continue
		}
		t.State = state
		t.Culprit = !t.paused && !slices.ContainsFunc(tests, func(other Test) bool {
			return !ended[other.Name] && !other.paused && strings.HasPrefix(other.Name, t.Name+"/")
		})
		if !t.Culprit && state == Splat {
			t.State = Lost
		}
	}
}

// WrittenLast is what ringtwin exec says with a splat: what the program had written last.
const WrittenLast = "the program had written last: "

// complained marks the tests during which the kernel complained.
func (u *Unit) complained(tests []Test) {
	for at, e := range u.Events {
		if e.Output == nil {
			continue
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(*e.Output), WrittenLast)
		if text = strings.TrimSpace(text); !ok || text == "" {
			continue
		}
		for _, before := range slices.Backward(u.Events[:at]) {
			if before.Test == "" || before.Output == nil || !strings.Contains(*before.Output, text) {
				continue
			}
			if i := slices.IndexFunc(tests, func(t Test) bool { return t.Name == before.Test }); i >= 0 {
				tests[i].State, tests[i].Culprit = Splat, true
			}
			break
		}
	}
}

// State is that of the package.
func (u *Unit) State() State {
	broken := problem.Errors(u.Problems)
	switch {
	case len(broken) > 0 && broken[0].Kind == "splat":
		return Splat
	case len(broken) > 0:
		return Lost
	case u.Code != 0 || u.Unbuilt != "":
		return Failed
	}
	return Passed
}

// Output is all that the package's program wrote.
func (u *Unit) Output() string {
	var b strings.Builder
	for _, e := range u.Events {
		if e.Output != nil {
			b.WriteString(*e.Output)
		}
	}
	return b.String()
}

// complaint is the last line in which this program says what is wrong.
func (u *Unit) complaint() string {
	last := "it did not run to its end"
	for line := range strings.Lines(u.Output()) {
		if text, ok := strings.CutPrefix(line, "ringtwin: "); ok {
			last = strings.TrimSpace(text)
		}
	}
	return last
}

// names lists some tests of a kind by name, without those whose subtests are listed.
func names(tests []Test, has func(*Test) bool) []string {
	var all []string
	for i := range tests {
		if t := &tests[i]; has(t) && !slices.ContainsFunc(tests, func(o Test) bool { return strings.HasPrefix(o.Name, t.Name+"/") && has(&o) }) {
			all = append(all, t.Name)
		}
	}
	return all
}

// most bounds a list of names in a line.
const most = 5

func listed(names []string) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}
