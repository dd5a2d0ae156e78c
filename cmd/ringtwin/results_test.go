// SPDX-License-Identifier: MIT

package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/rogpeppe/go-internal/testscript"
)

// balance FILE TRIALS [lossy]: the file has that many trials, each is ok and its
// ledger holds, and nothing is missing; or, with lossy, something is.
func balance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: balance results.jsonl trials [lossy]")
	}
	trials, err := record.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if len(trials) != want {
		ts.Fatalf("%d trials, want %d", len(trials), want)
	}
	lossy := len(args) > 2
	for i := range trials {
		t := &trials[i]
		if t.Status != record.OK {
			ts.Fatalf("%s is %s: %s", t.ID, t.Status, t.Reason)
		}
		for _, line := range t.Ledger {
			if !line.Holds {
				ts.Fatalf("%s: %s: %s", t.ID, line.Invariant, line.Detail)
			}
		}
		if len(t.Ledger) < 13 {
			ts.Fatalf("%s: ledger of %d lines", t.ID, len(t.Ledger))
		}
		// Or whether any is lost depends on how soon the reader is let run.
		if c := &t.Cell; !lossy && c.Placement != vocab.BackToBack && c.Transport.Capacity(c.RingBytes, c.PayloadBytes) < c.Events {
			ts.Fatalf("%s: a ring of %d bytes does not hold all %d events of %d", t.ID, c.RingBytes, c.Events, c.PayloadBytes)
		}
		if lost := t.Counts.SeqGaps+t.Counts.Misses > 0; lost != lossy {
			ts.Fatalf("%s: %d sequence numbers missing, failed %v", t.ID, t.Counts.SeqGaps, t.Counts.Failed)
		}
		// A kernel that preempts tracepoint programs skips the run of another
		// producer on that CPU, now and then: seen on 7.3. That is no errno.
		if t.Cell.Workload == "execve" && t.Counts.MissingTokens != t.Counts.FailedTotal()+t.Counts.Misses {
			ts.Fatalf("%s: %d tokens missing, %d in the ledger by errno, %d skipped", t.ID, t.Counts.MissingTokens, t.Counts.FailedTotal(), t.Counts.Misses)
		}
	}
}

// agree FILE FILE: for either transport both files count the same programs that
// ran, events that were emitted, delivered and lost.
func agree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: agree results.jsonl results.jsonl")
	}
	type counts struct{ trials, started, emitted, delivered, missing uint64 }
	read := func(path string) map[string]counts {
		trials, err := record.ReadFile(ts.MkAbs(path))
		ts.Check(err)
		sums := map[string]counts{}
		for _, t := range trials {
			c := sums[string(t.Cell.Transport)]
			c.trials++
			if t.Counts != nil {
				c.started += t.Counts.Started
				c.emitted += t.Counts.Attempts
				c.delivered += t.Counts.Delivered
				c.missing += t.Counts.MissingTokens
			}
			sums[string(t.Cell.Transport)] = c
		}
		return sums
	}
	a, b := read(args[0]), read(args[1])
	if len(a) != 2 || !maps.Equal(a, b) {
		ts.Fatalf("%s has %+v, %s has %+v", args[0], a, args[1], b)
	}
}

// same FILE FILE: the first has the records of the second, except for the times of
// measurement, and no others of its kernels.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same results.jsonl results.jsonl")
	}
	read := func(path string) []record.Trial {
		trials, err := record.ReadFile(ts.MkAbs(path))
		ts.Check(err)
		for i := range trials {
			trials[i].Trial.Started = ""
		}
		slices.SortFunc(trials, func(a, b record.Trial) int { return strings.Compare(a.ID, b.ID) })
		return trials
	}
	all, want := read(args[0]), read(args[1])
	kernels := map[string]bool{}
	for _, t := range want {
		kernels[t.Kernel.Want] = true
	}
	all = slices.DeleteFunc(all, func(t record.Trial) bool { return !kernels[t.Kernel.Want] })
	diff := cmp.Diff(want, all)
	if (diff == "") == neg {
		ts.Fatalf("difference of %s and %s:\n%s", args[0], args[1], diff)
	}
}

// readResults returns the trials of the only run below a directory.
func readResults(t *testing.T, out string) []record.Trial {
	t.Helper()
	trials, err := record.ReadFile(filepath.Join(out, "latest", "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return trials
}
