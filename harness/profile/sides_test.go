// SPDX-License-Identifier: MIT

package profile

import (
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// TestSidesApart: trials of one scenario that differ in an axis are sides of their own.
func TestSidesApart(t *testing.T) {
	trial := func(scenario string, producers, payload int) record.Trial {
		cell := record.Cell{Transport: vocab.Ringbuf, Producers: producers, PayloadBytes: payload}
		return record.Trial{Status: record.OK, Trial: record.Place{Scenario: scenario}, Cell: cell, Profile: &record.Profile{}}
	}
	var got []string
	for _, s := range Sides([]record.Trial{
		trial("one", 1, 64), trial("one", 1, 64), trial("several", 1, 64), trial("several", 2, 64), trial("several", 2, 4096),
	}) {
		got = append(got, s.Scenario)
	}
	want := []string{"one", "several payload_bytes=64 producers=1", "several payload_bytes=64 producers=2", "several payload_bytes=4096 producers=2"}
	if len(got) != len(want) {
		t.Fatalf("sides %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("side %d is %q, want %q", i, got[i], want[i])
		}
	}
}
