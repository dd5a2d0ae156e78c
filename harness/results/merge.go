// SPDX-License-Identifier: MIT

package results

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// Merged are the results of the runs of several machines, as if one had measured all.
type Merged struct {
	Plan *plan.Plan
	// Work is that of all runs together.
	Work *Work
	// Trials are in the order of kernel, configuration, clock, block and position. It does
	// not depend on the order of the runs.
	Trials []record.Trial
	// Missing is what was to be measured, and of which no run has anything.
	Missing []Missing
	// Errors are those that the runs ended with. Their trials have the reasons.
	Errors []error
	// Problems are what else is wrong: missing shares and kernels, and damaged files.
	Problems []problem.Problem
	// Notes say what is in several runs, and which of them is used.
	Notes []string
}

// Missing is a share of the work without results.
type Missing struct {
	Shard plan.Shard // 1/1: of a kernel
	Run   string     // that has the share, and no trial of it; empty: no run has it
	Units []Unit
}

// problems are a line a kernel.
func (m *Missing) problems() []problem.Problem {
	what := "shard " + m.Shard.String()
	if m.Shard.Of < 2 {
		what = "its run"
	}
	if m.Run == "" {
		what += " is missing"
	} else {
		what = m.Run + ": " + what + " has no results"
	}
	var all []problem.Problem
	for _, units := range byKernel(m.Units) {
		all = append(all, problem.New(problem.Missing, units[0].Kernel, "%s: %d trials", what, Trials(units)))
	}
	return all
}

// run is the directory of one run.
type run struct {
	path   string
	work   *Work
	trials map[string][]record.Trial // by kernel
	counts bool                      // some of them
}

// Merge reads the directories of runs, each by its path or by that of its results.jsonl:
// shards of one work, or runs of one plan on different kernels. Expected kernels must be
// among them; it may be nil. An error means that the runs cannot be merged.
func Merge(paths []string, expected *Expected) (*Merged, error) {
	m := &Merged{}
	var runs []*run
	for _, path := range paths {
		r, err := readRun(path)
		for _, line := range lines(err) {
			m.Problems = append(m.Problems, problem.New(problem.Unread, "", "%s", line))
		}
		if r != nil && !slices.ContainsFunc(runs, func(o *run) bool { return o.path == r.path }) {
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 {
		if expected != nil {
			m.Problems = append(m.Problems, expected.Check(nil)...)
		}
		return m, nil
	}
	slices.SortFunc(runs, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.work.Shard.Index, b.work.Shard.Index), strings.Compare(a.path, b.path))
	})
	for _, r := range runs[1:] {
		if err := runs[0].agrees(r); err != nil {
			return nil, err
		}
	}
	var err error
	if m.Plan, err = plan.Load(filepath.Join(runs[0].path, "plan.yaml")); err != nil {
		return nil, err
	}
	m.Work = whole(runs)
	if expected != nil {
		m.expect(expected)
	}
	m.take(runs)
	m.judge(runs)
	for i := range m.Missing {
		m.Problems = append(m.Problems, m.Missing[i].problems()...)
	}
	m.Problems = problem.Sort(m.Problems)
	return m, nil
}

// expect adds the expected kernels that no run has to the work, in which they are missing;
// of shards the work is known.
func (m *Merged) expect(e *Expected) {
	var kernels []record.Kernel
	for _, k := range m.Work.Kernels {
		kernels = append(kernels, record.Kernel{Want: k.Name, Source: k.Source})
	}
	for _, p := range e.check(kernels) {
		if p.Kind != problem.Missing || p.Kernel == "" || m.Work.Shard.Of > 1 {
			m.Problems = append(m.Problems, p)
			continue
		}
		m.Work.Kernels = append(m.Work.Kernels, WorkKernel{Name: p.Kernel, Reason: "no run has it"})
	}
	if m.Work.Shard.Of < 2 {
		slices.SortFunc(m.Work.Kernels, func(a, b WorkKernel) int { return natural(a.Name, b.Name) })
	}
}

// readRun reads a directory. It returns the run even with an error, if its work is known.
func readRun(path string) (*run, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		path = filepath.Dir(path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // out/latest
	}
	work, err := readWork(path)
	if err != nil {
		return nil, err
	}
	r := &run{path: path, work: work, trials: map[string][]record.Trial{}}
	trials, err := record.ReadFile(filepath.Join(path, "results.jsonl"))
	for _, t := range trials {
		r.trials[t.Kernel.Want] = append(r.trials[t.Kernel.Want], t)
	}
	return r, err
}

// agrees returns an error that names both unless they are of one work.
func (r *run) agrees(o *run) error {
	a, b := r.work, o.work
	name := func(k WorkKernel) string { return k.Name }
	for _, field := range []struct{ what, a, b string }{
		{"plan", a.Plan, b.Plan},
		{"text of the plan (SHA-256)", a.PlanSHA256, b.PlanSHA256},
		{"clock", a.Clock, b.Clock},
		{"number of CPUs", fmt.Sprint(a.CPUs), fmt.Sprint(b.CPUs)},
		{"number of shards", fmt.Sprint(a.Shard.Of), fmt.Sprint(b.Shard.Of)},
		{"list of kernels", a.list(name), b.list(name)},
	} {
		if field.a != field.b {
			return fmt.Errorf("%s (shard %s of plan %s) and %s (shard %s of plan %s) are not of one work: the %s is %s and %s (merge each work on its own)",
				r.path, a.Shard, a.Plan, o.path, b.Shard, b.Plan, field.what, field.a, field.b)
		}
	}
	return nil
}

// list is a property of all kernels of a work in shards. Runs that are no shards may have
// different ones.
func (w *Work) list(of func(WorkKernel) string) string {
	if w.Shard.Of < 2 {
		return ""
	}
	var all []string
	for _, k := range w.Kernels {
		all = append(all, of(k))
	}
	return strings.Join(all, " ")
}

// whole is the work of all runs. Kernels of several runs without shards are in the order of
// their versions.
func whole(runs []*run) *Work {
	w := *runs[0].work
	w.Kernels, w.Errors, w.Differ = nil, nil, false
	has := map[string]bool{}
	for _, r := range runs {
		for _, k := range r.work.Kernels {
			if !has[k.Name] {
				has[k.Name] = true
				w.Kernels = append(w.Kernels, k)
			}
		}
	}
	if w.Shard.Of < 2 { // else, the shares depend on the order
		slices.SortFunc(w.Kernels, func(a, b WorkKernel) int { return natural(a.Name, b.Name) })
	}
	return &w
}

// take selects the trials of each share of each kernel. If several runs have it, the one
// with most trials that are ok counts.
func (m *Merged) take(runs []*run) {
	parts := map[string][][]record.Trial{} // by kernel
	missing := map[string]int{}            // trials, likewise
	for i := range m.Work.Shard.Of {
		shard := plan.Shard{Index: i + 1, Of: m.Work.Shard.Of}
		lacks := map[string]int{} // by run, in Missing
		for _, units := range byKernel(m.Work.of(shard)) {
			kernel := units[0].Kernel
			r := m.best(runs, shard, kernel)
			if r != nil && len(r.trials[kernel]) > 0 {
				parts[kernel] = append(parts[kernel], r.trials[kernel])
				continue
			}
			path := ""
			if r != nil {
				path = r.path
			}
			missing[kernel] += Trials(units)
			at, ok := lacks[path]
			if !ok {
				at, lacks[path] = len(m.Missing), len(m.Missing)
				m.Missing = append(m.Missing, Missing{Shard: shard, Run: path})
			}
			m.Missing[at].Units = append(m.Missing[at].Units, units...)
		}
	}
	for _, k := range m.Work.Kernels {
		m.Trials = append(m.Trials, join(parts[k.Name], missing[k.Name])...)
	}
}

// byKernel splits units where the kernel changes.
func byKernel(units []Unit) (all [][]Unit) {
	for i, u := range units {
		if i == 0 || units[i-1].Kernel != u.Kernel {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], u)
	}
	return all
}

// best is the run that counts for a kernel in a shard; nil: none has it.
func (m *Merged) best(runs []*run, shard plan.Shard, kernel string) *run {
	var have []*run
	for _, r := range runs {
		if r.work.Shard.Index == shard.Index && r.work.Has(kernel) {
			have = append(have, r)
		}
	}
	if len(have) == 0 {
		return nil
	}
	ok := func(r *run) (n int) {
		for i := range r.trials[kernel] {
			if r.trials[kernel][i].Status == record.OK {
				n++
			}
		}
		return n
	}
	best := slices.MaxFunc(have, func(a, b *run) int {
		return cmp.Or(cmp.Compare(ok(a), ok(b)), cmp.Compare(len(a.trials[kernel]), len(b.trials[kernel])), strings.Compare(b.path, a.path))
	})
	if len(have) > 1 {
		var paths []string
		for _, r := range have {
			paths = append(paths, r.path)
		}
		m.Notes = append(m.Notes, fmt.Sprintf("kernel %s of shard %s is in %s: %s counts", kernel, shard, strings.Join(paths, " and "), best.path))
	}
	best.counts = true
	return best
}

// judge collects what was wrong with the runs, beside what their trials say.
func (m *Merged) judge(runs []*run) {
	for _, r := range runs {
		if !r.counts && len(r.work.Units()) > 0 {
			continue
		}
		if !r.work.Ended {
			m.Problems = append(m.Problems, problem.New(problem.Stopped, "", "%s: the run of shard %s was ended before it was complete", r.path, r.work.Shard))
		}
		for _, line := range r.work.Errors {
			m.Errors = append(m.Errors, fmt.Errorf("%s: %s", r.path, line))
			if r.work.Differ {
				m.Work.Differ = true
				m.Problems = append(m.Problems, problem.New(problem.Differ, "", "%s: %s", r.path, line))
			}
		}
	}
}

// Store writes the merged results into a new run in base.
func (m *Merged) Store(base string) (*Dir, error) {
	d, err := New(base, m.Plan)
	if err != nil || m.Work == nil {
		return d, err
	}
	m.Work.Shard = plan.Shard{}
	ended := m.Work.End(m.Errors)
	for _, p := range m.Problems {
		ended.Errors = append(ended.Errors, p.String())
	}
	if err := d.Store(ended); err != nil {
		return nil, err
	}
	d.trials = m.Trials
	for i := range m.Trials {
		if err := record.Write(d.results, &m.Trials[i]); err != nil {
			return nil, fmt.Errorf("store result: %w", err)
		}
	}
	return d, nil
}

// Order are the names of the kernels.
func (m *Merged) Order() []string {
	if m.Work == nil {
		return nil
	}
	var names []string
	for _, k := range m.Work.Kernels {
		names = append(names, k.Name)
	}
	return names
}
