// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/selftest"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// Where faults are injected.
const (
	inMachine = "machine"
	onHost    = "host"
)

// selftestCmd proves the measurer: exactly, in a machine in virtual time, and on the
// running kernel, as well as that is possible there.
type selftestCmd struct {
	Where  []string `default:"machine,host" enum:"machine,host" help:"Where to inject faults: in a throwaway VM in virtual time, where all of them are recovered exactly on any host, and on this kernel, which needs root. Default: ${default}." placeholder:"PLACE"`
	Kernel string   `default:"6.1" help:"The kernel of the VM, as for vmtest. Default: ${default}." placeholder:"KERNEL"`
	kernelChoice
	AA   int    `name:"aa" default:"20" min:"0" max:"10000" help:"Comparisons of a transport with itself on this kernel, of which none should find a difference." placeholder:"N"`
	JSON bool   `name:"json" help:"Write a line of JSON for each result."`
	QEMU string `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
}

// placed is a result, and where it is from.
type placed struct {
	Where string `json:"where"`
	selftest.Result
}

// Run injects faults, and looks for differences where there are none. A place where
// that cannot be done costs no other's results.
func (s *selftestCmd) Run(e *env) error {
	show := progress.New(e.stderr)
	defer show.End()
	var results []placed
	var errs []error
	for _, place := range []struct {
		name   string
		inject func(e *env, show *progress.Table, report func(where string, r selftest.Result)) error
	}{{inMachine, s.inMachine}, {onHost, s.onHost}} {
		if !slices.Contains(s.Where, place.name) {
			continue
		}
		err := place.inject(e, show, func(where string, r selftest.Result) {
			results = append(results, placed{where, r})
			if s.JSON {
				_ = json.NewEncoder(e.stdout).Encode(results[len(results)-1])
			}
		})
		if errors.As(err, new(usageError)) || e.ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	var found alarms
	if slices.Contains(s.Where, onHost) && os.Geteuid() == 0 {
		var err error
		if found, err = s.countAlarms(e, show); err != nil {
			errs = append(errs, err)
		}
	}
	show.End()
	if err := s.show(e, results, found); err != nil {
		return err
	}
	if found.Answer == selftest.NotFound || slices.ContainsFunc(results, func(r placed) bool { return r.Answer == selftest.NotFound }) {
		return exitError(exitFailed)
	}
	code := error(nil)
	for _, err := range errs {
		if err != nil {
			explainFailure(e, err)
			code = exitError(exitInfra)
		}
	}
	return code
}

// explainFailure says what went wrong, with the state of a machine that failed.
func explainFailure(e *env, err error) {
	var failure *machine.Failure
	if errors.As(err, &failure) {
		fmt.Fprintf(e.stderr, "ringtwin: %s", failure.Report())
		return
	}
	fmt.Fprintf(e.stderr, "ringtwin: %v\n", err)
}

// show prints what is not printed yet.
func (s *selftestCmd) show(e *env, results []placed, found alarms) error {
	if s.JSON {
		if found.Of == 0 {
			return nil
		}
		return json.NewEncoder(e.stdout).Encode(found)
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 3, ' ', 0)
	where := ""
	for _, r := range results {
		if r.Where != where {
			where = r.Where
			_ = table.Flush()
			fmt.Fprintf(table, "\n%s\n", where)
			fmt.Fprintln(table, "transport\tfault\tinjected\trecovered\t")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Transport, r.Fault, r.Injected, r.Recovered, r.Answer)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.Answer == selftest.TooBusy {
			fmt.Fprintf(e.stdout, "\n%s, %s: too busy to say: %s\n", r.Transport, r.Fault, r.Disturbed)
		}
	}
	if found.Of > 0 {
		fmt.Fprintf(e.stdout, "\n%s\n", found)
	}
	return nil
}

// onHost injects faults into measurements on this kernel.
func (s *selftestCmd) onHost(e *env, show *progress.Table, report func(string, selftest.Result)) error {
	if os.Geteuid() != 0 {
		return errors.New("selftest on this kernel needs root: run it with sudo, or with --where machine")
	}
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		return err
	}
	measure := func(ctx context.Context, cells []record.Cell) ([]*record.Trial, error) {
		return measureCells(ctx, nativeConn{}, cells, 0, requestTimeout(), func(text string) { show.Phase(hostKernel, string(cells[0].Transport)+", "+text) })
	}
	return selftest.Run(e.ctx, selftest.Options{Measure: measure, Attach: attach}, func(r selftest.Result) {
		report("this kernel, by the host's clock", r)
	})
}

// alarms are comparisons of a transport with itself that found a difference.
type alarms struct {
	Found  int             `json:"alarms"`
	Of     int             `json:"aa"`
	Limit  int             `json:"limit"` // that many come by chance
	Answer selftest.Answer `json:"answer"`
	// Disturbed says what kept the threads of the trials from running.
	Disturbed string `json:"disturbed"`
}

func (a alarms) String() string {
	text := fmt.Sprintf("%d of %d comparisons of a transport with itself found a difference (at most %d by chance)", a.Found, a.Of, a.Limit)
	if a.Answer == selftest.TooBusy {
		text += ": too busy to say: " + a.Disturbed
	}
	return text
}

// falseAlarms is how many of n comparisons of equals may find a difference: each
// does with at most 5 %, whatever the number of its metrics (Holm). More than this
// many come in one of a thousand selftests.
func falseAlarms(n int) int {
	p, sum, term := 0.05, 0.0, 1.0
	for range n {
		term *= 1 - p
	}
	for k := 0; ; k++ {
		if sum += term; sum > 0.999 || k == n {
			return k
		}
		term *= float64(n-k) / float64(k+1) * p / (1 - p)
	}
}

// countAlarms compares a ring buffer with itself, again and again.
func (s *selftestCmd) countAlarms(e *env, show *progress.Table) (alarms, error) {
	p, err := plan.Parse([]byte(aaPlan))
	if err != nil {
		panic(err) // it is below
	}
	of, have, err := host(1)
	if err != nil {
		return alarms{}, err
	}
	a := alarms{Of: s.AA, Limit: falseAlarms(s.AA), Answer: selftest.Found}
	var disturbed selftest.Disturbance
	for i := range s.AA {
		show.Phase(hostKernel, fmt.Sprintf("%d of %d comparisons of a transport with itself", i+1, s.AA))
		p.Seed = uint64(i)
		var trials []record.Trial
		run := nativeSession(of, have)
		run.Plan = p
		run.Why = func(err error) (record.Status, string) { return record.Failed, firstLine(err) }
		run.Record = func(t *record.Trial) error { trials = append(trials, *t); return nil }
		if err := run.Do(e.ctx); err != nil {
			return alarms{}, err
		}
		for i := range trials {
			disturbed.Add(&trials[i])
		}
		for _, c := range verdict.Compare(trials) {
			if differs(&c) {
				a.Found++
			}
		}
	}
	a.Disturbed = disturbed.String()
	if a.Found > a.Limit {
		a.Answer = selftest.NotFound
		if !disturbed.Quiet() {
			a.Answer = selftest.TooBusy
		}
	}
	return a, nil
}

// differs reports whether any metric found a difference.
func differs(c *verdict.Comparison) bool {
	for _, r := range c.Rows {
		if r.Verdict == verdict.ABetter || r.Verdict == verdict.BBetter || r.Verdict == verdict.Trivial {
			return true
		}
	}
	return false
}

// aaPlan has the fewest blocks that can decide.
const aaPlan = `
name: aa
pairs: [[ringbuf, ringbuf]]
workload: storm
events: 300
ring_bytes_total: 65536
blocks: 9
`
