// SPDX-License-Identifier: MIT

// Package suite holds the results of the tests of Go packages on several kernels: it
// derives them from the events of go test, joins those of several machines, finds what
// differs between kernels, and writes reports. It runs nothing.
//
// A [Dir] is safe for concurrent use, values are not.
package suite

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Schema names the format of work.json, and of units.jsonl beside it.
const Schema = "ringtwin/test/v1"

// Work is what is to be tested, by one machine or by several: each package that has tests
// on each kernel is a unit of it.
type Work struct {
	Schema  string     `json:"schema"`
	Command string     `json:"command"`
	Shard   plan.Shard `json:"shard"`
	Kernels []string   `json:"kernels"`
	// Sources are those of the kernels, by name, where they are known.
	Sources  map[string]string `json:"sources,omitempty"`
	Packages []Package         `json:"packages"`
}

// Package is a Go package.
type Package struct {
	Path string `json:"path"`
	// Reason is why it has no tests to run; "": it has.
	Reason string `json:"reason,omitempty"`
	// Broken means that the reason is an error.
	Broken bool `json:"broken,omitempty"`
}

// Key names a unit.
type Key struct {
	Kernel  string `json:"kernel"`
	Package string `json:"package"`
}

// All are the units of all shards: kernel by kernel, so that a shard has few.
func (w *Work) All() []Key {
	var all []Key
	for _, k := range w.Kernels {
		for _, p := range w.Packages {
			if p.Reason == "" {
				all = append(all, Key{k, p.Path})
			}
		}
	}
	return all
}

// Units are those of the shard. Which they are depends only on the work.
func (w *Work) Units() []Key {
	all := w.All()
	from, to := w.Shard.Range(make([]int, len(all)))
	return all[from:to]
}

// Unit is what a package's tests came to on a kernel.
type Unit struct {
	Key
	Release string `json:"release,omitempty"` // of the kernel; "": it is not known
	// Unbuilt is why there was no program to run.
	Unbuilt string  `json:"unbuilt,omitempty"`
	Code    int     `json:"code"` // the exit code of ringtwin exec
	Seconds float64 `json:"seconds"`
	// Problems are those of the machine and of its kernel.
	Problems []problem.Problem `json:"problems,omitempty"`
	Events   []Event           `json:"events,omitempty"`
}

// Results are the work, and what is known of it.
type Results struct {
	Work  *Work
	Units map[Key]*Unit
	// Verbose has the text contain everything that was written.
	Verbose bool
	// Problems are those of no unit, such as a shard that is missing.
	Problems []problem.Problem
}

// NewResults are empty.
func NewResults(w *Work) *Results { return &Results{Work: w, Units: map[Key]*Unit{}} }

// codeNotRun is the exit code of ringtwin exec for a program that did not run to its end.
const codeNotRun = 125

// Fill gives a unit that ended in another way than its tests a problem that says so.
func (u *Unit) Fill() {
	if u.Code == codeNotRun && len(problem.Errors(u.Problems)) == 0 {
		u.Problems = append(u.Problems, problem.New(problem.Stopped, u.Kernel, "%s", u.complaint()))
	}
}

// cancelled is what was interrupted with the command.
const cancelled problem.Kind = "cancelled"

// Cancelled is a unit that was not run, because the command was interrupted.
func Cancelled(k Key) *Unit {
	return &Unit{Key: k, Code: codeNotRun, Problems: []problem.Problem{problem.New(cancelled, k.Kernel, "not run")}}
}

// ErrNoPackages is returned for a work without any package.
var ErrNoPackages = errors.New("no packages to test")

// Check returns an error for work that nobody can have meant.
func (w *Work) Check() error {
	switch {
	case w.Schema != Schema:
		return fmt.Errorf("schema %q, want %q", w.Schema, Schema)
	case len(w.Packages) == 0:
		return ErrNoPackages
	}
	return nil
}
