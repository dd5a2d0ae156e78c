// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

var (
	flagSeed   = flag.Uint64("faults.seed", 1, "`seed` of the schedule")
	flagRuns   = flag.Int("faults.runs", 1, "runs of each fault")
	flagJobs   = flag.Int("faults.jobs", 0, "runs at once; 0: one more than there are cores, for some wait for time limits")
	flagKernel = flag.String("faults.kernel", "", "the `kernel` to boot; default: the one that most tests take")
	flagOnly   = flag.String("faults.only", "", "only faults that this `expression` matches")
	flagTable  = flag.String("faults.table", "", "`file` for the table")
	flagKeep   = flag.String("faults.keep", "", "`directory` for all of the runs that went wrong")
	flagTimed  = flag.Bool("faults.timed", false, "fail if a fault is named too late: only on a host that has nothing else to do")
)

// wrapper is the QEMU of the campaign.
var wrapper string

// campaign is all runs of all faults.
type campaign struct {
	t        *testing.T
	base     string
	program  string
	template string // of the cache
	// patience multiplies the time limits of the tool: how much slower its machine booted
	// than on an idle host.
	patience int

	slots chan struct{} // one for each run at once

	mu                          sync.Mutex
	planned, ended, wrong, late int // runs
}

// TestFaults is the campaign. The same seed injects with the same faults at the
// same times.
func TestFaults(t *testing.T) {
	testutils.Root(t)
	testutils.QEMU(t)
	if *flagKernel == "" {
		*flagKernel = testkernels.Name(t, testkernels.Usual)
	}
	only, err := regexp.Compile(*flagOnly)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	c := newCampaign(t)
	rows := make([]row, len(faults))
	defer c.tell(begun)()
	// All at once, as far as the jobs allow: while a run waits for a limit,
	// another works.
	t.Run("on "+*flagKernel, func(t *testing.T) {
		for i, f := range faults {
			if !only.MatchString(f.name) {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				if f.needs != nil {
					f.needs(t)
				}
				runs := *flagRuns
				if f.control {
					runs = min(runs, 2)
				}
				shots := schedule(f, *flagSeed, runs)
				c.count(func() { c.planned += len(shots) })
				rows[i] = row{f, c.all(t, shots)}
			})
		}
	})
	text := head(*flagSeed, *flagRuns, c.late, time.Since(begun), *flagKernel) + table(rows)
	t.Log("\n" + text)
	if *flagTable != "" {
		if err := os.WriteFile(*flagTable, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// tell regularly reports the progress of the campaign on standard error, which go test
// passes on at once only in the package's own directory.
func (c *campaign) tell(begun time.Time) (stop func()) {
	tick := time.NewTicker(10 * time.Second)
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				c.count(func() {
					fmt.Fprintf(os.Stderr, "%6s  %d of %d runs, %d wrong, %d too late and repeated\n",
						time.Since(begun).Round(time.Second), c.ended, c.planned, c.wrong, c.late)
				})
			}
		}
	})
	return func() {
		tick.Stop()
		close(done)
		telling.Wait()
	}
}

// count changes or reads the numbers of runs.
func (c *campaign) count(with func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	with()
}

func jobs() int {
	if *flagJobs > 0 {
		return *flagJobs
	}
	return runtime.NumCPU() + 1
}

func newCampaign(t *testing.T) *campaign {
	// Short: the path of a socket must fit into 108 bytes.
	base, err := os.MkdirTemp("", "rtf-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	c := &campaign{slots: make(chan struct{}, jobs()), t: t, base: base, program: filepath.Join(base, "ringtwin"), template: filepath.Join(base, "cache")}
	build := exec.Command("go", "build", "-tags", "faults", "-trimpath", "-ldflags=-s -w", "-o", c.program, "../../cmd/ringtwin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the tool: %v\n%s", err, out)
	}
	if wrapper, err = filepath.Abs("testdata/qemu"); err != nil {
		t.Fatal(err)
	}
	bundle := testkernels.Bundle(t, *flagKernel, false)
	own, err := testkernels.Cache()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.makeTemplate(own, bundle); err != nil {
		t.Fatal(err)
	}
	return c
}

// makeTemplate makes the cache that all runs share or have a copy of: one
// kernel, and its snapshot.
func (c *campaign) makeTemplate(own string, bundle *kernel.Bundle) error {
	dir := filepath.Dir(bundle.Image)
	if err := copyTree(filepath.Join(c.template, "kernels", filepath.Base(dir)), dir); err != nil {
		return err
	}
	for _, part := range []string{"refs", filepath.Join("apt", "index.json")} {
		if err := copyTree(filepath.Join(c.template, part), filepath.Join(own, part)); err != nil {
			return err
		}
	}
	first := schedule(faults[0], 0, 1)[0]
	c.patience = mostPatience
	f := c.run(first)
	if len(f.wrong) > 0 {
		return fmt.Errorf("a run without any fault: %s", strings.Join(f.wrong, "; "))
	}
	c.patience = min(1+int(f.boot/idleBoot), mostPatience)
	c.t.Logf("the machine booted in %s: time limits times %d", f.boot.Round(100*time.Millisecond), c.patience)
	return nil
}

const (
	// idleBoot is what a machine takes to boot on an idle host, emulated, and some more.
	idleBoot = 6 * time.Second
	// mostPatience makes a limit of seconds one of many minutes.
	mostPatience = 100
)

// all runs all shots of a fault.
func (c *campaign) all(t *testing.T, shots []*shot) []*finding {
	t.Helper()
	findings := make([]*finding, len(shots))
	var working sync.WaitGroup
	for i, s := range shots {
		working.Go(func() {
			c.slots <- struct{}{}
			defer func() { <-c.slots }()
			findings[i] = c.again(t, s)
			c.count(func() {
				c.ended++
				if findings[i].called == notHit || len(findings[i].wrong) > 0 {
					c.wrong++
				}
			})
		})
	}
	working.Wait()
	return findings
}

// notHit is the status of a run whose fault came too late each time.
const notHit = "not hit"

// again repeats a shot until it hits: a fault may come too late, if the tool is fast or
// this process is not scheduled. Each attempt comes sooner after its moment.
func (c *campaign) again(t *testing.T, s *shot) *finding {
	t.Helper()
	for range 10 {
		f := c.run(s)
		if f.late {
			later := *s
			later.delay /= 2
			s = &later
			t.Logf("%d: %s after %q (%d) + %s: too late: %v", s.n, s.stage, s.says, s.nth, s.delay.Round(time.Millisecond), f.missed)
			c.count(func() { c.late++ })
			continue
		}
		t.Logf("%d: %s after %q (%d) + %s, %d blocks: %s in %s", s.n, s.stage, s.says, s.nth, s.delay.Round(time.Millisecond), s.blocks, f.called, f.took.Round(time.Millisecond))
		for _, text := range f.wrong {
			t.Errorf("%d: %s", s.n, text)
		}
		return f
	}
	t.Errorf("%d: %s: came too late ten times", s.n, s.fault.name)
	return &finding{called: notHit, limit: s.fault.limit}
}

// run is one run of the tool with one fault.
func (c *campaign) run(s *shot) (f *finding) {
	dir, err := os.MkdirTemp(c.base, "r")
	if err != nil {
		return &finding{wrong: []string{err.Error()}, limit: s.fault.limit}
	}
	r := &run{
		shot: s, dir: dir, template: c.template, cache: filepath.Join(dir, "cache"),
		out: filepath.Join(dir, "out"), temp: filepath.Join(dir, "tmp"), control: filepath.Join(dir, "s"),
		patience: c.patience,
	}
	defer func() { c.clean(r, f) }()
	struck, err := r.shoot(c.t.Context(), c.program)
	if err != nil {
		return &finding{wrong: []string{err.Error()}, limit: s.fault.limit}
	}
	f = r.verify(struck)
	r.verifyLeft(f)
	return f
}

// shoot runs the tool and lets the fault inject. The first error is that of the
// inject, the second says that there was no run.
func (r *run) shoot(ctx context.Context, program string) (struck, err error) {
	if err := r.makeDirs(); err != nil {
		return nil, err
	}
	if r.stage == start {
		if err := r.fault.inject(r); err != nil {
			return nil, err
		}
	}
	r.begun, r.struck = time.Now(), time.Now()
	if err := r.start(program, *flagKernel); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		if r.stage == start {
			done <- nil
			return
		}
		err := r.awaitMoment()
		r.begun = time.Now()
		if err == nil {
			err = r.fault.inject(r)
		}
		r.struck = time.Now()
		done <- err
	}()
	r.await(ctx)
	over := time.Now()
	struck = <-done
	r.over = over
	return struck, nil
}

func (r *run) makeDirs() error {
	for _, dir := range []string{r.out, r.temp, r.control} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if r.fault.prepare != nil && !r.fault.private {
		if err := r.fault.prepare(r); err != nil {
			return err
		}
	}
	var err error
	switch {
	case len(r.mounts) > 0 && r.mounts[0] == r.cache:
	case r.stage == save:
		err = newCache(r.cache, r.template)
	case r.fault.private:
		if err = copyTree(r.cache, r.template); err == nil && r.fault.prepare != nil {
			err = r.fault.prepare(r)
		}
	default:
		r.cache = r.template
	}
	return err
}

// clean removes the run's directories; those of a failed run are kept.
func (c *campaign) clean(r *run, f *finding) {
	for _, dir := range r.mounts {
		if f != nil && len(f.wrong) > 0 && dir == r.out {
			_ = copyTree(filepath.Join(r.dir, "kept"), r.out)
		}
		if err := syscall.Unmount(dir, 0); err != nil {
			c.t.Errorf("unmount %s: %v", dir, err)
		}
	}
	if *flagKeep != "" && f != nil && (len(f.wrong) > 0 || f.late) {
		to := filepath.Join(*flagKeep, fmt.Sprintf("%s-%d", strings.ReplaceAll(r.fault.name, " ", "-"), r.n))
		for _, dir := range []string{"out", "kept"} {
			_ = copyTree(filepath.Join(to, dir), filepath.Join(r.dir, dir))
		}
		_ = os.WriteFile(filepath.Join(to, "said"), []byte(r.stderr()+r.stdout.String()+strings.Join(f.wrong, "\n")), 0o644)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		c.t.Errorf("clean up: %v", err)
	}
}
