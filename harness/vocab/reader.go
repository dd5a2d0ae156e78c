// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"slices"
)

// Reader is what drains the rings. Empty: the transport's default.
type Reader string

// The readers.
const (
	// Cilium is the reader of github.com/cilium/ebpf, which agents in Go use.
	Cilium Reader = "cilium"
	// Raw maps the rings, copies nothing, publishes its position once a batch, and waits
	// for all rings by one epoll.
	Raw Reader = "raw"
	// Poll is raw, but nobody wakes it: it sleeps for 500 us, twice as long each time that
	// it finds nothing, up to 30 ms.
	Poll Reader = "poll"
	// Ticker is raw, but looks every flush_ms, and at no other time.
	Ticker Reader = "ticker"
	// RawMerge and PollMerge take the event with the smallest time stamp of all rings.
	RawMerge  Reader = "raw+merge"
	PollMerge Reader = "poll+merge"
	// Snapshot takes what a flight recorder holds when it is told to.
	Snapshot Reader = "snapshot"
)

// ReaderSpec describes a reader.
type ReaderSpec struct {
	Name Reader
	Text string
	// Merges says that it reads in the order of time stamps over all rings.
	Merges bool
	// Waits says that it sleeps until it is woken.
	Waits bool
}

var readers = []ReaderSpec{
	{Name: Cilium, Waits: true, Text: "github.com/cilium/ebpf: a copy, and a position for each event"},
	{Name: Raw, Waits: true, Text: "no copy, a position for each batch, one epoll for all rings"},
	{Name: Poll, Text: "raw, but nobody wakes it: it sleeps for 500 us, twice as long each time it finds nothing, up to 30 ms"},
	{Name: Ticker, Text: "raw, but it looks every flush_ms and at no other time"},
	{Name: RawMerge, Waits: true, Merges: true, Text: "raw, and takes the oldest event of all rings first"},
	{Name: PollMerge, Merges: true, Text: "poll, and takes the oldest event of all rings first"},
	{Name: Snapshot, Text: "of flight recorders: takes what is there once the load has ended"},
}

// ReaderSpecs lists all readers.
func ReaderSpecs() []ReaderSpec { return slices.Clone(readers) }

// Readers lists all readers.
func Readers() []Reader { return names(readers, func(s ReaderSpec) Reader { return s.Name }) }

// Spec returns the description of the reader.
func (r Reader) Spec() ReaderSpec {
	for _, s := range readers {
		if s.Name == r {
			return s
		}
	}
	return ReaderSpec{Name: r}
}

// DefaultReader is the transport's reader unless another is requested.
func (t Transport) DefaultReader() Reader {
	if all := t.Spec().Family.Readers; len(all) > 0 {
		return all[0]
	}
	return ""
}

// CheckReader rejects a reader that the transport does not have.
func (t Transport) CheckReader(r Reader) error {
	if all := t.Spec().Family.Readers; r != "" && !slices.Contains(all, r) {
		return fmt.Errorf("reader %q of %s: want one of %s", r, t, Join(all))
	}
	return nil
}
