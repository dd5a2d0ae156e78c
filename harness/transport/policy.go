// SPDX-License-Identifier: MIT

package transport

import (
	"github.com/cilium/ebpf/perf"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Wakeup is what the program of a ring buffer says of each event.
//
// The program asks for the bytes that wait before its own record does: hence one
// record less.
func Wakeup(kind vocab.Transport, p vocab.Policy, eventBytes int) (wakeup bpf.Wakeup, bytes int) {
	switch p.Kind() {
	case vocab.Every:
		return bpf.WakeupEvery, 0
	case vocab.Timer:
		return bpf.WakeupNever, 0
	case vocab.Batch:
		return bpf.WakeupBatch, (p.N() - 1) * kind.FootprintBytes(eventBytes)
	}
	return bpf.WakeupAdaptive, 0
}

// perfOptions are those with which the reader of a perf buffer opens its rings.
func perfOptions(p vocab.Policy, ringBytes int) perf.ReaderOptions {
	switch p.Kind() {
	case vocab.WakeupEvents:
		return perf.ReaderOptions{WakeupEvents: p.N()}
	case vocab.Watermark:
		return perf.ReaderOptions{Watermark: p.N()}
	case vocab.Timer:
		// The most that there is: the kernel wakes once the ring is full. Without
		// a watermark it would, at half of it.
		// ring_buffer_init() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
		return perf.ReaderOptions{Watermark: ringBytes - 1}
	}
	return perf.ReaderOptions{}
}
