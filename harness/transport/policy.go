// SPDX-License-Identifier: MIT

package transport

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/perf"
	"github.com/ringtwin/ringtwin/bpf"
)

// Policy is who wakes the reader and when. Of a ring buffer the program says so,
// with each record; of a perf buffer the reader does, when it opens the rings.
type Policy struct {
	Kind string
	N    int // of Batch and WakeupEvents events, of Watermark bytes
}

// The kinds of policies.
const (
	Adaptive     = "adaptive"      // ring: the kernel, when the reader has caught up
	Every        = "every"         // every event
	Batch        = "batch"         // ring: the program, once N events wait
	WakeupEvents = "wakeup_events" // perf: the kernel, on every Nth event of a CPU
	Watermark    = "watermark"     // perf: the kernel, after more than N bytes of a CPU
	Timer        = "timer"         // nobody: the reader looks by itself
)

// policyKinds has what each kind belongs to, and whether it has an N.
var policyKinds = map[string]struct{ ring, perf, n bool }{
	Adaptive:     {ring: true},
	Every:        {ring: true, perf: true},
	Batch:        {ring: true, n: true},
	WakeupEvents: {perf: true, n: true},
	Watermark:    {perf: true, n: true},
	Timer:        {ring: true, perf: true},
}

// Policies lists what a transport can have, as one writes it.
func Policies(kind bpf.Transport) []string {
	var all []string
	for _, name := range []string{Adaptive, Every, Batch, WakeupEvents, Watermark, Timer} {
		k := policyKinds[name]
		if kind.IsRingbuf() && !k.ring || kind == bpf.Perf && !k.perf {
			continue
		}
		if k.n {
			name += "=N"
		}
		all = append(all, name)
	}
	return all
}

// ParsePolicy reads a policy of the transport: "every", "batch=64".
func ParsePolicy(kind bpf.Transport, text string) (Policy, error) {
	name, number, hasN := strings.Cut(text, "=")
	k, ok := policyKinds[name]
	bad := fmt.Errorf("policy %q of %s: want one of %s", text, kind, strings.Join(Policies(kind), ", "))
	if !ok || k.n != hasN || kind.IsRingbuf() && !k.ring || kind == bpf.Perf && !k.perf {
		return Policy{}, bad
	}
	p := Policy{Kind: name}
	if hasN {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > math.MaxInt32 {
			return Policy{}, bad
		}
		p.N = n
	}
	return p, nil
}

// String is the policy as one writes it.
func (p Policy) String() string {
	if p.N > 0 {
		return p.Kind + "=" + strconv.Itoa(p.N)
	}
	return p.Kind
}

// Check refuses a policy that would never wake anybody before the ring is full.
func (p Policy) Check(kind bpf.Transport, ringBytes, eventBytes int) error {
	capacity := Capacity(kind, ringBytes, eventBytes)
	switch {
	case (p.Kind == Batch || p.Kind == WakeupEvents) && p.N > capacity:
		return fmt.Errorf("%s: a ring of %d bytes holds %d events of %d bytes, %d > %d: it is full before it wakes", p, ringBytes, capacity, eventBytes, p.N, capacity)
	case p.Kind == Watermark && p.N >= ringBytes:
		return fmt.Errorf("%s: not below the %d bytes of the ring: it is full before it wakes", p, ringBytes)
	}
	return nil
}

// Wakeup is what the program of a ring buffer says of each event.
//
// The program asks for the bytes that wait before its own record does: hence one
// record less.
func (p Policy) Wakeup(kind bpf.Transport, eventBytes int) (wakeup bpf.Wakeup, bytes int) {
	switch p.Kind {
	case Every:
		return bpf.WakeupEvery, 0
	case Timer:
		return bpf.WakeupNever, 0
	case Batch:
		return bpf.WakeupBatch, (p.N - 1) * FootprintBytes(kind, eventBytes)
	}
	return bpf.WakeupAdaptive, 0
}

// options are those with which the reader of a perf buffer opens its rings.
func (p Policy) options(ringBytes int) perf.ReaderOptions {
	switch p.Kind {
	case WakeupEvents:
		return perf.ReaderOptions{WakeupEvents: p.N}
	case Watermark:
		return perf.ReaderOptions{Watermark: p.N}
	case Timer:
		// The most that there is: the kernel wakes once the ring is full. Without
		// a watermark it would, at half of it.
		// ring_buffer_init() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
		return perf.ReaderOptions{Watermark: ringBytes - 1}
	}
	return perf.ReaderOptions{}
}
