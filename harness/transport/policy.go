// SPDX-License-Identifier: MIT

package transport

import (
	"github.com/cilium/ebpf/perf"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Wakeup is the wakeup mode of the program of a ring buffer.
//
// The program queries the waiting bytes before it adds its own record: hence one record
// less.
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

// perfOptions are the options with which a perf buffer's reader opens its rings.
func perfOptions(p vocab.Policy, ringBytes int) perf.ReaderOptions {
	switch p.Kind() {
	case vocab.WakeupEvents:
		return perf.ReaderOptions{WakeupEvents: p.N()}
	case vocab.Watermark:
		return perf.ReaderOptions{Watermark: p.N()}
	case vocab.Timer:
		// The maximum: the kernel wakes once the ring is full. Without a watermark it
		// would wake at half of it.
		// ring_buffer_init() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
		return perf.ReaderOptions{Watermark: ringBytes - 1}
	}
	return perf.ReaderOptions{}
}
