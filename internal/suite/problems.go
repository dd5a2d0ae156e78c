// SPDX-License-Identifier: MIT

package suite

import (
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/internal/problem"
)

// All are the problems of all units and of none, sorted.
func (r *Results) All() []problem.Problem {
	all := r.Problems
	for _, p := range r.Work.Packages {
		if p.Broken {
			all = append(all, problem.New(problem.Program, "", "%s: %s", p.Path, p.Reason))
		}
	}
	for _, key := range r.Work.All() {
		if u := r.Units[key]; u != nil {
			all = append(all, u.problems()...)
		}
	}
	if len(r.Work.All()) == 0 {
		all = append(all, problem.New(problem.Missing, "", "there was nothing to test"))
	}
	return problem.Sort(all)
}

// problems are those of a unit, each with the package's name.
func (u *Unit) problems() []problem.Problem {
	if u.Unbuilt != "" {
		return []problem.Problem{problem.New(problem.Program, "", "%s: %s", u.Package, u.unbuilt())}
	}
	tests := u.Tests()
	var all []problem.Problem
	for _, p := range u.Problems {
		text, kernel := u.Package+": "+p.Text, u.Kernel
		switch {
		case !p.Kind.IsError():
			text, kernel = p.Text, "" // about this host, and the same for all
		case p.Kind == "fetch-failed":
			text = p.Text
		default:
			if running := names(tests, func(t *Test) bool { return t.Culprit }); len(running) > 0 {
				text = fmt.Sprintf("%s: while %s ran: %s", u.Package, listed(running), p.Text)
			}
		}
		all = append(all, problem.New(p.Kind, kernel, "%s", text))
	}
	failed := names(tests, func(t *Test) bool { return t.State == Failed })
	switch {
	case len(failed) > 0:
		all = append(all, problem.New(problem.Program, u.Kernel, "%s: %s failed", u.Package, listed(failed)))
	case u.State() == Failed:
		all = append(all, problem.New(problem.Program, u.Kernel, "%s: exit code %d", u.Package, u.Code))
	}
	return all
}

// unbuilt is the error of a build in a line: the first that names a place.
func (u *Unit) unbuilt() string {
	for line := range strings.Lines(u.Unbuilt) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return "does not build: " + line
		}
	}
	return "does not build"
}

// reason is what ended a unit, in a word: the kind of its worst problem, or "".
func (u *Unit) reason() problem.Kind {
	if broken := problem.Sort(problem.Errors(u.Problems)); len(broken) > 0 {
		return broken[0].Kind
	}
	return ""
}
