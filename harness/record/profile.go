// SPDX-License-Identifier: MIT

package record

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Profile is where the instructions of a trial went, by call context: each one that was
// executed is counted. In virtual time they add up to the cost of the trial.
type Profile struct {
	// Plugin is the first 16 hexadecimal digits of the SHA-256 of QEMU's plugin that counted.
	Plugin string `json:"plugin"`
	// Caches are the sizes and ways of the modelled L1D, L1I and L2; empty: no model.
	Caches string `json:"caches,omitempty"`
	// Functions are named by the stacks, by their index.
	Functions []string `json:"functions"`
	// Program is the producer above the control, of the stretches that the cost is of, and
	// Reader the reading thread.
	Program Part `json:"program"`
	Reader  Part `json:"reader"`
}

// check returns what makes a profile unusable: it may be from a file that something else
// wrote.
func (p *Profile) check() error {
	if err := p.Program.check(len(p.Functions)); err != nil {
		return fmt.Errorf("profile of the program: %w", err)
	}
	if err := p.Reader.check(len(p.Functions)); err != nil {
		return fmt.Errorf("profile of the reader: %w", err)
	}
	return nil
}

func (p *Part) check(functions int) error {
	if p.Per < 0 {
		return fmt.Errorf("%d events", p.Per)
	}
	for i, s := range p.Stacks {
		if len(s.Frames) == 0 {
			return fmt.Errorf("stack %d is empty", i)
		}
		for _, f := range s.Frames {
			if f < 0 || f >= functions {
				return fmt.Errorf("stack %d has function %d of %d", i, f, functions)
			}
		}
	}
	return nil
}

// Part is the profile of one thread.
type Part struct {
	// Per divides all counts: they are then of one event.
	Per    int64   `json:"per"`
	Stacks []Stack `json:"stacks"`
}

// Stack is what was executed in one call context. Counts of a producer are differences
// from the control, and may be negative.
type Stack struct {
	// Frames are indices of functions, the outermost first.
	Frames []int         `json:"frames"`
	Counts ProfileCounts `json:"counts"`
}

// The counters of a profile, by their index.
const (
	Instructions = iota
	Loads
	Stores
	Bytes
	Branches
	Lines
	L1DMisses
	L1IMisses
	L2Misses
	L1DStreamed
	L2Streamed
	KernelReturns
	Entries
	Locked
	TSCReads
	DeviceWrites
	Transfers
	Locks
	Held
	HeldTransfers
)

var profileCounters = [...]string{
	"instructions", "loads", "stores", "bytes", "branches", "lines", "l1d_misses", "l1i_misses", "l2_misses",
	"l1d_streamed", "l2_streamed",
	"kernel_returns", "entries", "locked", "tsc_reads", "device_writes",
	"transfers", "locks", "held", "held_transfers",
}

// Counters is how many there are.
const Counters = len(profileCounters)

// ProfileCounts are in the order of [ProfileCounters]. In JSON the zeros at the end are left
// out: earlier records have fewer counters.
type ProfileCounts [Counters]int64

// MarshalJSON is [json.Marshaler]'s.
func (c ProfileCounts) MarshalJSON() ([]byte, error) {
	last := len(c)
	for last > 0 && c[last-1] == 0 {
		last--
	}
	text := []byte{'['}
	for i, n := range c[:last] {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return append(text, ']'), nil
}

// UnmarshalJSON is [json.Unmarshaler]'s.
func (c *ProfileCounts) UnmarshalJSON(text []byte) error {
	var all []int64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if len(all) > len(c) {
		return fmt.Errorf("%d counters, want %d at most: a later ringtwin counted more", len(all), len(c))
	}
	*c = ProfileCounts{}
	copy(c[:], all)
	return nil
}

// ProfileCounters are their names: instructions; accesses to memory that load and that
// store, and their bytes; instructions that may jump; and cache lines of 64 bytes that a
// function touched, each once an event. Misses are those of a model of caches; streamed are
// misses of data of which the line before is in the L1D, so that a prefetcher would have
// it, and those of them that the L2 misses. What follows are classes of instructions that
// take long: returns in the kernel; returns from it to what it was entered from, by a system
// call, an interrupt or an exception; accesses to memory that lock; readings of the time
// stamp counter; and stores to devices and model specific registers. They are 0 where there
// was no model. The last are of machines with several CPUs: cache lines that a CPU touched
// for the first time since another wrote to them; and of the function that took a lock, how
// often it did, the instructions until the lock was released, and the transfers until then.
func ProfileCounters() []string { return profileCounters[:] }
