// SPDX-License-Identifier: MIT

package vocab

// Workload is what causes events.
type Workload string

// The workloads.
const (
	// Execve sends one event for each execve.
	Execve Workload = "execve"
	// Storm sends a batch of small events for each getpgid, as the kernel's own
	// benchmark does:
	// https://elixir.bootlin.com/linux/v6.12/source/tools/testing/selftests/bpf/progs/ringbuf_bench.c
	Storm Workload = "storm"
)

// Workloads lists all of them.
func Workloads() []Workload { return []Workload{Execve, Storm} }

// Syscall is the system call that causes the events.
func (w Workload) Syscall() string {
	if w == Storm {
		return "getpgid"
	}
	return "execve"
}

// Sizes of events without payload: struct event and the least of struct storm_event in
// bpf/event.h.
const (
	EventBytes      = 64
	StormEventBytes = 8
)

// LeastBytes is the size of the smallest event.
func (w Workload) LeastBytes() int {
	if w == Storm {
		return StormEventBytes
	}
	return EventBytes
}

// Placement says where producers run.
type Placement string

// The placements.
const (
	Apart      Placement = "apart"        // not on the reader's CPU, where there is another
	Hot        Placement = "hot"          // all on one CPU, apart
	Same       Placement = "same"         // on the reader's CPU
	BackToBack Placement = "back-to-back" // the reader itself triggers, once it has read a batch
	Spread     Placement = "spread"       // one after the other on all CPUs, the reader's too
)

// Placements lists all of them.
func Placements() []Placement { return []Placement{Apart, Hot, Same, BackToBack, Spread} }

// Equal is the size that both transports of a pair have in common.
type Equal string

// The sizes that can be equal.
const (
	EqualTotal Equal = "total" // bytes of all rings together
	EqualEach  Equal = "each"  // bytes of each ring
)
