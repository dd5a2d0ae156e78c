// SPDX-License-Identifier: MIT

package trial

import (
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
)

// order is how late events are: by how much the time stamp of one that was delivered before
// is later. A reader that holds each event back for so long can sort them. nil without time
// stamps.
//
// It is what stream processors call the lateness of an event behind the watermark.
func order(events []bpf.Event) *record.Order {
	if len(events) == 0 || events[0].TimeNS == 0 {
		return nil
	}
	var late []uint64
	var latest uint64
	for i := range events {
		if at := events[i].TimeNS; at < latest {
			late = append(late, latest-at)
		} else {
			latest = at
		}
	}
	o := &record.Order{N: int64(len(late))}
	if len(late) == 0 {
		return o
	}
	slices.Sort(late)
	o.MaxNS = int64(late[len(late)-1])
	// The rank of the percentile among all events, of which most are not late.
	rank := int(math.Ceil(0.999*float64(len(events)))) - 1 - (len(events) - len(late))
	if rank >= 0 {
		o.P999 = int64(late[rank])
	}
	return o
}

// victims are the events of the producers beside one that floods, whose tokens come last.
func victims(m *measured) *record.Victims {
	if m.cell.Flood == 0 {
		return nil
	}
	of := m.options
	v := &record.Victims{Sent: uint64(of.Count*max(of.Producers, 1)) * uint64(m.cell.Batch)}
	arrived := uint64(0)
	first := uint32(of.FirstToken)
	for i := range m.consumer.events {
		if token := uint32(m.consumer.events[i].Token); int(token-first) < of.Count*max(of.Producers, 1) {
			arrived++
		}
	}
	v.Missing = v.Sent - min(arrived, v.Sent)
	return v
}

// recovery is the time from the last event before a CPU's first gap to the first event
// after its last gap, of the CPU that took longest, in ns of the time stamps. 0 where
// nothing was refused, or nothing was delivered afterwards.
func recovery(events []bpf.Event, counts *record.Counts) int64 {
	if counts.FailedTotal() == 0 {
		return 0
	}
	type progress struct {
		next     uint32
		last     uint64 // time of the last event
		full     uint64 // time of the last event before the first gap
		restored uint64 // time of the first event after the last gap
	}
	cpus := map[uint16]*progress{}
	for i := range events {
		e := &events[i]
		p := cpus[e.CPU]
		if p == nil {
			p = &progress{}
			cpus[e.CPU] = p
		}
		if e.Seq > p.next && e.TimeNS > 0 && p.last > 0 {
			if p.full == 0 {
				p.full = p.last
			}
			p.restored = e.TimeNS
		}
		p.next, p.last = e.Seq+1, e.TimeNS
	}
	most := int64(0)
	for _, p := range cpus {
		if p.restored > p.full {
			most = max(most, int64(p.restored-p.full))
		}
	}
	return most
}
