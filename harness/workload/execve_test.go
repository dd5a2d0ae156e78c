// SPDX-License-Identifier: MIT

package workload

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func run(t *testing.T, opts Options) Truth {
	t.Helper()
	w, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	truth, err := w.Run()
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

func TestExecveStartsWhatItSays(t *testing.T) {
	truth := run(t, Options{Count: 50, Producers: 2, FirstToken: 1000, UIDs: rootUIDs()})
	if got := len(truth.Starts); got != 100 {
		t.Fatalf("%d starts, want 100", got)
	}
	seen := map[uint64]bool{}
	uids := map[uint32]int{}
	for _, s := range truth.Starts {
		if seen[s.Token] {
			t.Errorf("token %x twice", s.Token)
		}
		seen[s.Token] = true
		uids[s.UID]++
		if s.PID == 0 || s.TimeNS < truth.BeginNS || s.TimeNS > truth.EndNS {
			t.Errorf("start %+v outside of %d to %d", s, truth.BeginNS, truth.EndNS)
		}
	}
	if unix.Getuid() == 0 && (uids[0] != 50 || uids[501] != 50) {
		t.Errorf("uids %v, want 50 of each", uids)
	}
}

func rootUIDs() []uint32 {
	if unix.Getuid() == 0 {
		return nil
	}
	return []uint32{0} // 0 is never set, so the programs run as ourselves
}

func TestExecvePaces(t *testing.T) {
	truth := run(t, Options{Count: 11, RateHz: 100, UIDs: []uint32{0}})
	if took := time.Duration(truth.EndNS - truth.BeginNS); took < 100*time.Millisecond {
		t.Errorf("11 programs at 100 Hz took %s, want at least 100ms", took)
	}
	if !slices.IsSortedFunc(truth.Starts, func(a, b Start) int { return int(a.TimeNS) - int(b.TimeNS) }) {
		t.Error("starts are not in the order of time")
	}
}

func TestExecveRefusesNonsense(t *testing.T) {
	for name, opts := range map[string]Options{
		"no programs":   {},
		"negative":      {Count: 1, Producers: -1},
		"negative rate": {Count: 1, RateHz: -1},
		"tokens":        {Count: 1, FirstToken: 1 << 48},
		"uids":          {Count: 1, UIDs: make([]uint32, maxUIDs+1)},
		"no uids":       {Count: 1, UIDs: []uint32{}},
		"no such CPU":   {Count: 1, CPUs: []int{1000}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := New(t.Context(), opts)
			if err == nil {
				w.Close()
				t.Fatal("accepted")
			}
		})
	}
}
