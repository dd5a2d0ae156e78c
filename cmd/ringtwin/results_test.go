package main

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
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
		if len(t.Ledger) < 16 {
			ts.Fatalf("%s: ledger of %d lines", t.ID, len(t.Ledger))
		}
		if lost := t.Counts.MissingTokens > 0; lost != lossy {
			ts.Fatalf("%s: %d tokens missing, failed %v", t.ID, t.Counts.MissingTokens, t.Counts.Failed)
		}
		// A kernel that preempts tracepoint programs skips the run of another
		// producer on that CPU, now and then: seen on 7.3. That is no errno.
		if t.Counts.MissingTokens != t.Counts.FailedTotal()+t.Counts.Misses {
			ts.Fatalf("%s: %d tokens missing, %d in the ledger by errno, %d skipped", t.ID, t.Counts.MissingTokens, t.Counts.FailedTotal(), t.Counts.Misses)
		}
	}
}

// readResults returns the trials of the only run below a folder.
func readResults(t *testing.T, out string) []record.Trial {
	t.Helper()
	trials, err := record.ReadFile(filepath.Join(out, "latest", "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return trials
}
