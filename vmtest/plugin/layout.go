// SPDX-License-Identifier: MIT

package plugin

import "unsafe"

// What layout.h defines.
const (
	magic = 0x31746e756f637472

	maxFunctions = 1 << 18
	maxStrangers = 256
	maxNodes     = 1 << 18
	maxWindows   = 1 << 16
	maxEntries   = 1 << 20

	user     = 0x7fffffff
	stranger = 0x40000000
	userNode = 1
)

// Counter is what is counted.
type Counter int

// The counters, in the order of layout.h.
const (
	Instructions Counter = iota
	Loads
	Stores
	Bytes // loaded and stored
	Branches
	Lines     // of 64 bytes, each once for a function and an event
	L1DMisses // of the model of caches, where there is one
	L1IMisses
	L2Misses
	L1DStreamed // of these misses: a prefetcher would have the line
	L2Streamed
	KernelReturns // and those that follow: classes of instructions, where there is such a model
	Entries
	Locked
	TSCReads
	DeviceWrites
	Transfers     // of lines between vCPUs, where there are several
	Locks         // taken
	Held          // instructions until they were released
	HeldTransfers // of lines until then
	counters      = iota
)

// Counts are the values of all counters.
type Counts [counters]uint64

// role is what is special about a function.
type role uint32

const (
	roleClock role = 1 << iota
	roleQueue
	roleRuntime
	roleSwitch
	roleFault
	roleEntry
	roleSchedule
	roleGap
	rolePage
	roleOpcode
)

type function struct {
	Address uint64
	Role    role
	_       uint32
}

type node struct {
	Parent, Function uint32
	_, _             uint32
	_                Counts
}

type window struct {
	Kind, Labels uint32
	Before       uint32
	_            uint32
	Thread       uint64
}

type entry struct {
	Window, Node uint32
	Count        Counts
}

type geometry struct{ Sets, Ways uint32 }

// The caches of the model, in the order of layout.h.
const (
	l1d = iota
	l1i
	l2
	caches
)

type header struct {
	Magic, Functions                   uint64
	Caches                             [caches]geometry
	CPUs                               uint64
	Running, Fault                     uint64
	Nodes, Windows, Entries, Strangers uint64
	Cut                                uint64
	Stranger                           [maxStrangers]uint64
}

// Where the arrays begin.
const (
	functionsAt = 1 << 16
	nodesAt     = functionsAt + maxFunctions*unsafe.Sizeof(function{})
	windowsAt   = nodesAt + maxNodes*unsafe.Sizeof(node{})
	entriesAt   = windowsAt + maxWindows*unsafe.Sizeof(window{})
	sharedBytes = entriesAt + maxEntries*unsafe.Sizeof(entry{})
)

// faults are what the plugin may run out of, by their number in layout.h.
var faults = []string{"", "call contexts", "call contexts between two switches", "functions outside of the kernel", "counts", "windows", "threads", "memory", "lines between two events", "vCPUs", "lines that vCPUs share"}
