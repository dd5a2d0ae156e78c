// SPDX-License-Identifier: MIT

package suite

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Merge joins runs: the shards of one work, or runs on different kernels. Whatever is
// missing is a problem, the first of all. expected are kernels that must be there, and
// means tells which kernel of a source such a word means.
func Merge(dirs, expected []string, means func(word, kernel, source string) bool) (*Results, error) {
	runs := map[string]*Results{}
	for _, dir := range dirs {
		r, err := read(dir)
		if err != nil {
			return nil, err
		}
		runs[dir] = r
	}
	merged := NewResults(&Work{Schema: Schema})
	for i, dir := range dirs {
		r := runs[dir]
		if i > 0 && !sameShards(merged.Work, r.Work) && (sharded(merged.Work) || sharded(r.Work)) {
			return nil, fmt.Errorf("%s has a shard of other work than %s: other packages, kernels or number of shards", dir, dirs[0])
		}
		merged.join(r)
	}
	merged.Problems = append(missingShards(dirs, runs), missingKernels(merged.Work, expected, means)...)
	merged.Work.Shard = plan.Shard{Index: 1, Of: 1}
	if len(merged.Problems) == 0 {
		merged.Problems = merged.missingUnits()
	}
	return merged, nil
}

func sharded(w *Work) bool { return w.Shard.Of > 1 }

// sameShards reports whether two works are the same but for the share.
func sameShards(a, b *Work) bool {
	return a.Shard.Of == b.Shard.Of && slices.Equal(a.Kernels, b.Kernels) && reflect.DeepEqual(a.Packages, b.Packages)
}

// join adds a run. Of two results of a unit the one of a unit that ran to its end counts.
func (r *Results) join(other *Results) {
	w := r.Work
	w.Command, w.Shard = cmp.Or(w.Command, other.Work.Command), other.Work.Shard
	for _, k := range other.Work.Kernels {
		if !slices.Contains(w.Kernels, k) {
			w.Kernels = append(w.Kernels, k)
		}
		if source := other.Work.Sources[k]; source != "" {
			if w.Sources == nil {
				w.Sources = map[string]string{}
			}
			w.Sources[k] = source
		}
	}
	for _, p := range other.Work.Packages {
		if !slices.ContainsFunc(w.Packages, func(have Package) bool { return have.Path == p.Path }) {
			w.Packages = append(w.Packages, p)
		}
	}
	for key, u := range other.Units {
		if have := r.Units[key]; have == nil || have.reason() != "" && u.reason() == "" {
			r.Units[key] = u
		}
	}
}

// missingShards names the shards of which there is no run, with what they had to test.
func missingShards(dirs []string, runs map[string]*Results) []problem.Problem {
	have := map[int]bool{}
	var work Work
	for _, dir := range dirs {
		work = *runs[dir].Work
		have[work.Shard.Index] = true
	}
	var all []problem.Problem
	for i := 1; i <= work.Shard.Of; i++ {
		if have[i] {
			continue
		}
		work.Shard.Index = i
		units := work.Units()
		if len(units) == 0 {
			continue
		}
		kernels := map[string]bool{}
		for _, k := range units {
			kernels[k.Kernel] = true
		}
		names := slices.DeleteFunc(slices.Clone(work.Kernels), func(k string) bool { return !kernels[k] })
		all = append(all, problem.New(problem.Missing, "", "shard %s has no results: %d packages on %s", work.Shard, len(units), strings.Join(names, ", ")))
	}
	return all
}

// missingKernels names expected kernels that no run has.
func missingKernels(w *Work, expected []string, means func(word, kernel, source string) bool) []problem.Problem {
	var all []problem.Problem
	for _, k := range expected {
		if !slices.ContainsFunc(w.Kernels, func(have string) bool { return have == k || means(k, have, w.Sources[have]) }) {
			all = append(all, problem.New(problem.Missing, k, "was expected, and no run has it"))
		}
	}
	return all
}

// missingUnits counts what no run has, by kernel: of runs that were killed.
func (r *Results) missingUnits() []problem.Problem {
	missing := map[string]int{}
	for _, key := range r.Work.All() {
		if r.Units[key] == nil {
			missing[key.Kernel]++
		}
	}
	var all []problem.Problem
	for _, kernel := range slices.Sorted(maps.Keys(missing)) {
		all = append(all, problem.New(problem.Short, kernel, "%d packages have no results", missing[kernel]))
	}
	return all
}

// Store writes the merged results into a directory of its own, and returns its path.
func (r *Results) Store(out string) (string, error) {
	d, err := NewDir(out, r.Work)
	if err != nil {
		return "", err
	}
	for _, key := range r.Work.All() {
		if u := r.Units[key]; u != nil {
			err = errors.Join(err, d.Add(u))
		}
	}
	return d.Path, errors.Join(err, d.Close())
}
