// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// counters is the reader of a program that sends nothing: at each interval it reads how
// many there were.
type counters struct {
	*rawReader
}

// countRing is the hash of a CPU's counters, as a ring that has no samples.
type countRing struct {
	events     *ebpf.Map
	seen, upTo uint64
}

func openCounters(maps []*ebpf.Map, opts Options) (Reader, error) {
	events := maps[0]
	r, err := newRaw([]ring{&countRing{events: events}}, opts)
	if err != nil {
		return nil, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("count possible CPUs: %w", err), r.Close())
	}
	r.memory = Memory{MapBytes: int64(events.MaxEntries()) * int64(events.KeySize()+events.ValueSize()*uint32(cpus))}
	return &counters{r}, nil
}

func (r *countRing) begin() bool {
	var uid uint32
	var perCPU []uint64
	r.upTo = 0
	for all := r.events.Iterate(); all.Next(&uid, &perCPU); {
		for _, n := range perCPU {
			r.upTo += n
		}
	}
	return r.seen < r.upTo
}

// next skips what was counted: there is no sample.
func (r *countRing) next(*Sample) bool {
	r.seen = r.upTo
	return false
}

func (r *countRing) count() Total {
	n := Total{Events: int(r.upTo - r.seen)}
	r.seen = r.upTo
	return n
}

func (r *countRing) end() {}

func (r *countRing) positions() (producer, consumer uint64) { return r.upTo, r.seen }

func (r *countRing) fd() int { return -1 }

func (r *countRing) close() error { return nil }
