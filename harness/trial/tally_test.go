// SPDX-License-Identifier: MIT

package trial

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// TestCountSequences: the count of each kind of damage.
func TestCountSequences(t *testing.T) {
	event := func(cpu uint16, seq uint32, ns uint64) bpf.Event {
		return bpf.Event{CPU: cpu, Seq: seq, TimeNS: ns}
	}
	given := []bpf.Counters{{Attempts: 3}, {Attempts: 1}}
	for name, test := range map[string]struct {
		events []bpf.Event
		want   record.Counts
	}{
		"all in order":      {[]bpf.Event{event(0, 0, 1), event(1, 0, 2), event(0, 1, 3), event(0, 2, 4)}, record.Counts{}},
		"gap":               {[]bpf.Event{event(0, 0, 1), event(0, 2, 2), event(1, 0, 3)}, record.Counts{SeqGaps: 1}},
		"nothing":           {nil, record.Counts{SeqGaps: 4}},
		"twice":             {[]bpf.Event{event(0, 0, 1), event(0, 0, 2), event(0, 1, 3), event(0, 2, 4), event(1, 0, 5)}, record.Counts{Duplicates: 1, InversionsCPU: 1}},
		"swapped on a CPU":  {[]bpf.Event{event(0, 1, 2), event(0, 0, 1), event(0, 2, 3), event(1, 0, 4)}, record.Counts{InversionsCPU: 1, InversionsGlobal: 1}},
		"swapped over CPUs": {[]bpf.Event{event(1, 0, 9), event(0, 0, 1), event(0, 1, 10), event(0, 2, 11)}, record.Counts{InversionsGlobal: 1}},
		"stamp of nobody":   {[]bpf.Event{event(0, 3, 1), event(2, 0, 1)}, record.Counts{Torn: 2, SeqGaps: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			var got record.Counts
			countSequences(&got, given, test.events)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCountTokens(t *testing.T) {
	starts := []workload.Start{{Token: 1, PID: 10, UID: 0}, {Token: 2, PID: 11, UID: 501}}
	good := func(token uint64, pid, uid uint32, message string) bpf.Event {
		e := bpf.Event{Token: token, PID: pid, UID: uid}
		copy(e.Command[:], workload.Command)
		copy(e.Message[:], message)
		return e
	}
	first, second := good(1, 10, 0, "Hey root!"), good(2, 11, 501, "Hi user 501!")
	for name, test := range map[string]struct {
		events []bpf.Event
		want   record.Counts
	}{
		"the truth":     {[]bpf.Event{second, first}, record.Counts{}},
		"one missing":   {[]bpf.Event{first}, record.Counts{MissingTokens: 1}},
		"one unknown":   {[]bpf.Event{first, second, good(3, 12, 0, "Hey root!")}, record.Counts{UnknownTokens: 1}},
		"wrong pid":     {[]bpf.Event{first, good(2, 12, 501, "Hi user 501!")}, record.Counts{Mismatched: 1}},
		"wrong user":    {[]bpf.Event{first, good(2, 11, 0, "Hi user 501!")}, record.Counts{Mismatched: 1}},
		"wrong message": {[]bpf.Event{first, good(2, 11, 501, "Hey root!")}, record.Counts{Mismatched: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "wrong pid" && !samePIDs() {
				test.want = record.Counts{} // in a container pids differ anyway
			}
			var got record.Counts
			countTokens(&got, test.events, starts)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
