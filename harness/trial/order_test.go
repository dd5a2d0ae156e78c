// SPDX-License-Identifier: MIT

package trial

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/workload"
)

func stamped(times ...uint64) []bpf.Event {
	var all []bpf.Event
	for i, at := range times {
		all = append(all, bpf.Event{TimeNS: at, Seq: uint32(i)})
	}
	return all
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		events []bpf.Event
		want   *record.Order
	}{
		{nil, nil},
		{stamped(0, 0), nil}, // too small for a time
		{stamped(1, 2, 3), &record.Order{}},
		{stamped(10, 4, 7, 20, 19), &record.Order{N: 3, P999: 6, MaxNS: 6}},
	} {
		if diff := cmp.Diff(test.want, order(test.events)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.events, diff)
		}
	}
	// One late event of 2000 is above the 99.9th percentile.
	many := make([]uint64, 2000)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	many[1000] = 1
	if o := order(stamped(many...)); o.N != 1 || o.MaxNS != 999 || o.P999 != 0 {
		t.Errorf("%+v", o)
	}
}

func TestRecovery(t *testing.T) {
	at := func(cpu uint16, seq uint32, ns uint64) bpf.Event { return bpf.Event{CPU: cpu, Seq: seq, TimeNS: ns} }
	lost := &record.Counts{Failed: map[string]uint64{"EAGAIN": 1}}
	for name, test := range map[string]struct {
		events []bpf.Event
		counts *record.Counts
		want   int64
	}{
		"never full":      {stamped(1, 2, 3), &record.Counts{}, 0},
		"never recovered": {stamped(1, 2, 3), lost, 0},
		"one gap":         {[]bpf.Event{at(0, 0, 10), at(0, 5, 70), at(0, 6, 80)}, lost, 60},
		"two gaps":        {[]bpf.Event{at(0, 0, 10), at(0, 2, 20), at(0, 9, 90)}, lost, 80},
		"of two CPUs":     {[]bpf.Event{at(0, 0, 10), at(1, 0, 10), at(0, 2, 20), at(1, 2, 40)}, lost, 30},
	} {
		if got := recovery(test.events, test.counts); got != test.want {
			t.Errorf("%s: %d ns, want %d", name, got, test.want)
		}
	}
}

func TestVictims(t *testing.T) {
	m := &measured{
		cell:     record.Cell{Flood: 5, Batch: 1},
		options:  workload.Options{Count: 3, Producers: 2, FirstToken: 1 << 24, Flood: 5},
		consumer: &consumer{},
	}
	for _, token := range []uint64{0, 1, 4, 6, 7} { // three of six victims, and two of the flood
		m.consumer.events = append(m.consumer.events, bpf.Event{Token: 1<<24 + token})
	}
	if diff := cmp.Diff(&record.Victims{Sent: 6, Missing: 3}, victims(m)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.cell.Flood = 0
	if victims(m) != nil {
		t.Error("victims without a flood")
	}
}
