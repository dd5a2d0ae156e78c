// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// The faults that the guest of TestOneCostsOne injects.
const (
	panics    = "query"
	complains = "ring-mapped-twice"
)

// breakOnce answers as a guest does, but one experiment makes its kernel panic, and
// another causes a splat.
func breakOnce(ctx context.Context, request json.RawMessage, send func(any) error) error {
	return session.Handle(ctx, request, func(answer any) error {
		switch r, _ := answer.(facts.Result); r.ID {
		case panics:
			if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
				return err
			}
		case complains:
			if err := os.WriteFile("/dev/kmsg", []byte("<2>BUG: made up by a test\n"), 0); err != nil {
				return err
			}
		}
		return send(answer)
	})
}

// TestOneCostsOne: an experiment that ends its machine, or breaks its kernel, does not
// hold, and the others are decided in other machines.
func TestOneCostsOne(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	statements, err := facts.Select([]string{"order", "memory"})
	if err != nil {
		t.Fatal(err)
	}
	host, err := vmtest.NewHost(t.Context(), vmtest.Config{Accel: machine.TCG, Places: kernel.PlacesFromEnvironment()})
	if err != nil {
		t.Fatal(err)
	}
	refs, err := host.Resolve(t.Context(), testkernels.Name(t, testkernels.Usual))
	if err != nil {
		t.Fatal(err)
	}
	d := ringtwin.Decider{Host: host, Explain: func(err error) { t.Error(err) }}
	grid, err := d.Decide(t.Context(), refs, statements)
	if err != nil {
		t.Fatal(err)
	}
	results := grid.Columns[0].Results
	for _, s := range statements {
		want, seen := facts.Holds, ""
		switch s.ID {
		case panics:
			want, seen = facts.Fails, "panic: "
		case complains:
			want, seen = facts.Fails, "BUG: made up by a test"
		}
		if r := results[s.ID]; r.Verdict != want || !bytes.Contains([]byte(r.Seen), []byte(seen)) {
			t.Errorf("%s: %s: %s", s.ID, r.Verdict, r.Seen)
		}
	}
	if got := problem.OutcomeOf(grid.Problems()); got != problem.Failed {
		t.Errorf("the grid says %v", got)
	}
}

// TestFactsExitCodes: a failed statement gives 1, an untried one 3.
func TestFactsExitCodes(t *testing.T) {
	one := []facts.Statement{{ID: "one", Group: "g", Text: "One."}}
	grid := func(v facts.Verdict) *facts.Grid {
		return &facts.Grid{Statements: one, Columns: []facts.Column{{Kernel: "host", Results: map[string]facts.Result{"one": {ID: "one", Verdict: v}}}}}
	}
	half := grid(facts.Holds)
	half.Columns[0].Error = "the machine did not end"
	for name, test := range map[string]struct {
		grid *facts.Grid
		code int
	}{
		"holds":         {grid(facts.Holds), exitOK},
		"does not hold": {grid(facts.Fails), exitFailed},
		"not supported": {grid(facts.NotSupported), exitOK},
		"not run":       {&facts.Grid{Statements: one, Columns: []facts.Column{{Kernel: "9.9"}}}, exitInfra},
		"half a kernel": {half, exitInfra},
		"no kernels":    {&facts.Grid{Statements: one}, exitInfra},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cmd := range []factsCmd{{}, {JSON: true}, {Markdown: true}} {
				var stdout, stderr bytes.Buffer
				err := cmd.write(&env{t.Context(), &stdout, &stderr}, test.grid, nil)
				if code := exitCode(err, &stderr); code != test.code || stdout.Len() == 0 {
					t.Errorf("%+v: exit code %d", cmd, code)
				}
			}
		})
	}
	if err := (&factsCmd{}).write(&env{t.Context(), brokenPipe{}, brokenPipe{}}, grid(facts.Holds), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("cannot write: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }
