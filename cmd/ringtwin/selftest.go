package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/selftest"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/progress"
)

// selftestCmd proves the measurer on the running kernel.
type selftestCmd struct {
	AA   int  `name:"aa" default:"20" min:"0" max:"10000" help:"Comparisons of a transport with itself, of which none should find a difference." placeholder:"N"`
	JSON bool `name:"json" help:"Write a line of JSON for each result."`
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

// Run injects faults, and looks for differences where there are none.
func (s *selftestCmd) Run(e *env) error {
	if os.Geteuid() != 0 {
		return errors.New("selftest measures on this kernel and needs root: run it with sudo")
	}
	attach, err := bpf.ResolveAttach(bpf.AttachAuto)
	if err != nil {
		return err
	}
	conn := nativeConn{}
	measure := func(ctx context.Context, cell record.Cell) (*record.Trial, error) {
		var got session.Measured
		err := conn.Do(ctx, session.Request{Trial: &cell}, requestTimeout, func(body json.RawMessage) error {
			return json.Unmarshal(body, &got)
		})
		if err == nil && got.Trial == nil {
			err = fmt.Errorf("%s: %s", got.Status, got.Reason)
		}
		return got.Trial, err
	}
	missed := 0
	table := tabwriter.NewWriter(e.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "transport\tfault\tinjected\trecovered\tfound")
	err = selftest.Run(e.ctx, measure, attach, func(r selftest.Result) {
		if !r.Found {
			missed++
		}
		if s.JSON {
			_ = json.NewEncoder(e.stdout).Encode(r) // output keeps the error
			return
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Transport, r.Fault, r.Injected, r.Recovered, map[bool]string{true: "yes", false: "NO"}[r.Found])
	})
	if !s.JSON {
		_ = table.Flush() // likewise
	}
	if err != nil {
		return err
	}
	alarms, err := s.alarms(e)
	if err != nil {
		return err
	}
	limit := falseAlarms(s.AA)
	if s.JSON {
		fmt.Fprintf(e.stdout, `{"aa":%d,"alarms":%d,"limit":%d}`+"\n", s.AA, alarms, limit)
	} else {
		fmt.Fprintf(e.stdout, "\n%d of %d comparisons of a transport with itself found a difference (at most %d by chance)\n", alarms, s.AA, limit)
	}
	if missed > 0 || alarms > limit {
		return exitError(exitFailed)
	}
	return nil
}

// alarms compares a ring buffer with itself, again and again.
func (s *selftestCmd) alarms(e *env) (int, error) {
	p, err := plan.Parse([]byte(aaPlan))
	if err != nil {
		panic(err) // it is below
	}
	alarms := 0
	show := progress.New(e.stderr)
	defer show.End()
	for i := range s.AA {
		if !s.JSON {
			show.Phase("selftest", fmt.Sprintf("comparison %d of %d of a transport with itself", i+1, s.AA))
		}
		p.Seed = uint64(i)
		var trials []record.Trial
		of, have, err := host(1)
		if err != nil {
			return 0, err
		}
		run := session.Run{
			Fresh: func(context.Context) (session.Conn, error) { return nativeConn{}, nil }, SameBoot: true,
			Plan: p, Kernel: of, Machine: have, Timeout: requestTimeout,
			Why:    func(err error) (record.Status, string) { return record.Failed, firstLine(err) },
			Record: func(t *record.Trial) error { trials = append(trials, *t); return nil },
		}
		if err := run.Do(e.ctx); err != nil {
			return 0, err
		}
		for _, c := range verdict.Compare(trials) {
			if differs(&c) {
				alarms++
			}
		}
	}
	show.Forget("selftest") // the result says how many there were
	return alarms, nil
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
