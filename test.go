// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/internal/gobuild"
	"github.com/ringtwin/ringtwin/internal/suite"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// Test runs the tests of Go packages on kernels: each package is built once, and its
// program runs in a machine of each kernel, as many at once as the host has room for.
type Test struct {
	Host *vmtest.Host
	Spec vmtest.Spec
	// Exec are the flags of ringtwin exec, but for the kernel. Args are the arguments of go
	// test.
	Exec, Args []string
	Shard      plan.Shard
	// Out is where the run's directory is made.
	Out string
}

// ErrUsage wraps a mistake in the arguments of go test.
var ErrUsage = errors.New("go test")

// testRun is one run of the tests.
type testRun struct {
	*Test
	args     *gobuild.Args
	packages map[string]*gobuild.Package
	releases map[string]func(context.Context) (string, error) // by kernel, once
	builds   map[string]func(context.Context) (string, error) // by package, once
	temp     string
	dir      *suite.Dir

	mu      sync.Mutex
	results *suite.Results
}

// Run runs the tests, and returns what they came to and the directory of the run. If the
// context ends, what was run by then is returned without an error.
func (t *Test) Run(ctx context.Context, refs []kernel.Ref) (*suite.Results, string, error) {
	temp, err := os.MkdirTemp("", "ringtwin-test-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(temp)
	s := &testRun{Test: t, temp: temp}
	if err := s.plan(ctx, refs); err != nil {
		return nil, "", err
	}
	if s.dir, err = suite.NewDir(t.Out, s.results.Work); err != nil {
		return nil, "", err
	}
	err = s.run(ctx)
	return s.results, s.dir.Path, errors.Join(err, s.dir.Close())
}

// plan lists the packages.
func (s *testRun) plan(ctx context.Context, refs []kernel.Ref) error {
	args, err := gobuild.Split(s.Args)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	s.args = args
	s.Host.Progress.Phase("packages", "list")
	listed, err := gobuild.List(ctx, args)
	s.Host.Progress.Done("packages", "")
	if errors.As(err, new(*gobuild.Error)) {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if err != nil {
		return err
	}
	work := &suite.Work{Schema: suite.Schema, Command: strings.Join(append([]string{"go", "test"}, s.Args...), " "), Shard: s.Shard, Sources: map[string]string{}}
	if work.Shard == (plan.Shard{}) {
		work.Shard = plan.Shard{Index: 1, Of: 1}
	}
	s.packages, s.builds = map[string]*gobuild.Package{}, map[string]func(context.Context) (string, error){}
	for i := range listed {
		p := &listed[i]
		tested := suite.Package{Path: p.ImportPath}
		switch {
		case p.Error != nil:
			tested.Reason, tested.Broken = "cannot be loaded: "+firstLine(errors.New(p.Error.Err)), true
		case !p.HasTests():
			tested.Reason = "no test files"
		}
		work.Packages = append(work.Packages, tested)
		s.packages[p.ImportPath] = p
		s.builds[p.ImportPath] = once(func(ctx context.Context) (string, error) {
			s.Host.Progress.Phase(p.ImportPath, "build")
			defer s.Host.Progress.Done(p.ImportPath, "")
			return gobuild.Build(ctx, s.args, p, s.temp)
		})
	}
	s.releases = map[string]func(context.Context) (string, error){}
	for _, ref := range refs {
		work.Kernels = append(work.Kernels, ref.Name)
		work.Sources[ref.Name] = ref.Source
		s.releases[ref.Name] = once(func(ctx context.Context) (string, error) {
			bundle, err := s.Host.Fetch(ctx, ref, false)
			s.Host.Progress.Done(ref.Name, "")
			if err != nil {
				return "", err
			}
			return bundle.Release, nil
		})
	}
	s.results = suite.NewResults(work)
	s.results.Verbose = args.Verbose
	if err := work.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return nil
}

// once calls a function at most once, and keeps its result.
func once(f func(context.Context) (string, error)) func(context.Context) (string, error) {
	var do sync.Once
	var text string
	var err error
	return func(ctx context.Context) (string, error) {
		do.Do(func() { text, err = f(ctx) })
		return text, err
	}
}

// run runs all units of the shard. Kernels and programs are made one after the other,
// before the first unit that needs them.
func (s *testRun) run(ctx context.Context) error {
	var tasks []vmtest.Task
	for _, key := range s.results.Work.Units() {
		tasks = append(tasks, vmtest.Task{
			Spec: s.Spec,
			Fetch: func(ctx context.Context) error {
				_, err := s.releases[key.Kernel](ctx)
				_, buildErr := s.builds[key.Package](ctx)
				return errors.Join(err, buildErr)
			},
			Run: func(ctx context.Context, _ error) error { return s.unit(ctx, key) },
		})
	}
	errs, err := s.Host.Run(ctx, tasks)
	return errors.Join(append(errs, err)...)
}

// unit runs a package's tests on a kernel, and stores the result.
func (s *testRun) unit(ctx context.Context, key suite.Key) error {
	u, err := s.tested(ctx, key)
	if err != nil {
		return err
	}
	s.Host.Progress.Done(key.Kernel+" "+key.Package, u.Words())
	s.mu.Lock()
	s.results.Units[key] = u
	s.mu.Unlock()
	return s.dir.Add(u)
}

// tested is the unit after its run. The error is one of this program.
func (s *testRun) tested(ctx context.Context, key suite.Key) (*suite.Unit, error) {
	release, fetchErr := s.releases[key.Kernel](ctx)
	program, buildErr := s.builds[key.Package](ctx)
	u := &suite.Unit{Key: key, Release: release}
	switch {
	case ctx.Err() != nil:
		return suite.Cancelled(key), nil
	case fetchErr != nil:
		u.Code = 3
		u.Problems = append(u.Problems, ProblemOf(key.Kernel, fetchErr))
		return u, nil
	case errors.As(buildErr, new(*gobuild.Error)):
		u.Code, u.Unbuilt = 1, buildErr.Error()
		return u, nil
	case buildErr != nil:
		return nil, buildErr
	}
	if _, err := os.Stat(program); err != nil { // its files have no test after all
		return u, nil
	}
	s.Host.Progress.Phase(key.Kernel+" "+key.Package, "run")
	return u, s.exec(ctx, u, program)
}

// arguments are those of ringtwin exec for a unit.
func (s *testRun) arguments(u *suite.Unit, program string) []string {
	args := slices.Concat([]string{"exec", "--annotations=off", "--kernel=" + u.Kernel}, s.Exec, []string{"--", program, "-test.v=test2json", "-test.paniconexit0"})
	if !slices.ContainsFunc(s.args.Test, func(a string) bool { return strings.HasPrefix(a, "-test.timeout=") }) {
		args = append(args, "-test.timeout=10m0s") // as go test
	}
	return append(args, s.args.Test...)
}

// self is the path of this program.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
