// SPDX-License-Identifier: MIT

package main

import (
	"math"
	"testing"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestContention: two producers take the lines of a shared ring from each other under its
// lock, and no others; and the published counts are still those of this kernel.
func TestContention(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	then := published[report.ContentionCost](t, "contention.jsonl")
	// The usual kernel is not among those that are published.
	kernel := testkernels.Name(t, testkernels.LongTerm)
	trials := vmtestIn(t, t.TempDir(), kernel, "--plan", "contention", "--set", "producers=1,2", "--set", "events=512", "--clock", "wall", "--cpus", "3", "--profile")
	type key struct {
		transport vocab.Transport
		producers int
	}
	found := map[key]report.ContentionCost{}
	for _, r := range trials {
		if r.Profile == nil || r.Cost != nil || r.Rate != nil || r.Latency != nil || r.Disturbance != nil {
			t.Errorf("%s has a profile: %v; times of CPUs that took turns are in the record: cost %v, rate %v, latency %v, disturbance %v",
				r.ID, r.Profile != nil, r.Cost, r.Rate, r.Latency, r.Disturbance)
		}
	}
	costs, err := report.ContentionCostsOf(trials)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range costs {
		if c.Demand == nil {
			t.Errorf("%s with %d producers was not counted", c.Transport, c.Producers)
			continue
		}
		found[key{c.Transport, c.Producers}] = c
		for _, p := range then {
			// Another kernel of this name has other instructions.
			if p.Release != c.Release || p.Transport != c.Transport || p.Payload != c.Payload || p.Producers != c.Producers || p.Demand == nil {
				continue
			}
			compared++
			if math.Abs(p.Demand.Held-c.Demand.Held) > p.Demand.Held/10 || math.Abs(p.Demand.HeldTransfers-c.Demand.HeldTransfers) > 0.5 {
				t.Errorf("%s with %d producers: %+v, published %+v: make results", c.Transport, c.Producers, *c.Demand, *p.Demand)
			}
		}
	}
	t.Logf("%d of %d are of a published kernel, and are compared", compared, len(costs))
	for _, test := range []struct {
		key
		locks, least, most float64 // lines under the lock
	}{
		{key{vocab.Ringbuf, 1}, 1, 0, 0.5},
		{key{vocab.Ringbuf, 2}, 1, 2.5, 3.5},
		{key{vocab.RingbufSharded, 1}, 1, 0, 0.5},
		{key{vocab.RingbufSharded, 2}, 1, 0, 0.5},
		{key{vocab.Perf, 1}, 0, 0, 0},
		{key{vocab.Perf, 2}, 0, 0, 0},
	} {
		c, ok := found[test.key]
		if !ok {
			t.Errorf("%s with %d producers: not measured", test.transport, test.producers)
			continue
		}
		d := c.Demand
		if math.Abs(d.Locks-test.locks) > 0.2 || d.HeldTransfers < test.least || d.HeldTransfers > test.most || d.Transfers > test.most+0.5 || d.Instructions < 100 {
			t.Errorf("%s with %d producers: %+v, want %g locks and %g to %g lines under them", test.transport, test.producers, *d, test.locks, test.least, test.most)
		}
	}
	if a, b := found[key{vocab.Ringbuf, 1}].Demand, found[key{vocab.Ringbuf, 2}].Demand; a != nil && b != nil && math.Abs(a.Held-b.Held) > a.Held/10 {
		t.Errorf("instructions under the lock: %g of one producer, %g of two", a.Held, b.Held)
	}
}
