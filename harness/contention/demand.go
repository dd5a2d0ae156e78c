// SPDX-License-Identifier: MIT

package contention

import (
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Demand is what an event asks of a machine: counts, not times.
type Demand struct {
	// Instructions are those of the program and of what it calls, Held the ones of them
	// between taking and releasing the ring's lock.
	Instructions float64 `json:"instructions"`
	Held         float64 `json:"held"`
	// Transfers are cache lines that another CPU wrote last, HeldTransfers those of them from
	// the lock's own line until it is released.
	Transfers     float64 `json:"transfers"`
	HeldTransfers float64 `json:"held_transfers"`
	// Locks is how often the ring's lock was taken.
	Locks float64 `json:"locks"`
}

// locksIn is the function in which a ring buffer is locked: reserving takes its only lock.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
const locksIn = "__bpf_ringbuf_reserve"

// DemandOf is that of the program of a profile. What interrupts it is left out.
func DemandOf(p *record.Profile) Demand {
	var d Demand
	if p.Program.Per == 0 {
		return d
	}
	per := float64(p.Program.Per)
	for _, s := range p.Program.Stacks {
		program, ring, interrupt := false, false, false
		for _, f := range s.Frames {
			name := p.Functions[f]
			program = program || strings.HasPrefix(name, "bpf_prog_")
			ring = ring || strings.HasPrefix(name, locksIn)
			interrupt = interrupt || strings.HasPrefix(name, "asm_")
		}
		if !program || interrupt {
			continue
		}
		d.Instructions += float64(s.Counts[record.Instructions]) / per
		d.Transfers += float64(s.Counts[record.Transfers]) / per
		if ring {
			d.Locks += float64(s.Counts[record.Locks]) / per
			d.Held += float64(s.Counts[record.Held]) / per
			d.HeldTransfers += float64(s.Counts[record.HeldTransfers]) / per
		}
	}
	return d
}
