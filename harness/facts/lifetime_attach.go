// SPDX-License-Identifier: MIT

package facts

import (
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// attachments are statements about processes that attach a program and end.
func attachments() []Statement {
	return []Statement{
		{
			ID:     "link-ends-with-process",
			Text:   "A link that is not pinned ends with the process that made it.",
			Source: elixir("6.12", "kernel/bpf/syscall.c", "bpf_link_release()"),
			run:    endsWithProcess(loaderJob{Attach: byRawTracepoint.name}),
		},
		{
			ID:     "pinned-link-stays",
			Text:   "A pinned link keeps its program attached after the loader has ended, until it is unpinned.",
			Source: commit("70ed506c3bbc", "bpf: Introduce pinnable bpf_link abstraction"),
			run:    staysWithoutProcess(loaderJob{Attach: byRawTracepoint.name, PinLink: true}),
		},
		{
			ID:     "tracepoint-event-ends-with-process",
			Text:   "What is attached to a tracepoint by a perf event ends with its process.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_release()"),
			run:    endsWithProcess(loaderJob{Attach: byTracepoint.name, Event: true}),
		},
		{
			ID:     "tracepoint-link-stays",
			Text:   "What is attached to a tracepoint by a link that is pinned stays attached after its process.",
			Source: commit("b89fbfbb854c", "bpf: Implement minimal BPF perf link"),
			Since:  kernel(5, 15, 0),
			run:    staysWithoutProcess(loaderJob{Attach: byTracepoint.name, PinLink: true}),
		},
		{
			ID:     "kprobe-event-ends-with-process",
			Text:   "What is attached to a kprobe by a perf event ends with its process.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_release()"),
			run:    endsWithProcess(loaderJob{Attach: byKprobe.name, Event: true}),
		},
		{
			ID:     "kprobe-link-stays",
			Text:   "What is attached to a kprobe by a link that is pinned stays attached after its process.",
			Source: commit("b89fbfbb854c", "bpf: Implement minimal BPF perf link"),
			Since:  kernel(5, 15, 0),
			run:    staysWithoutProcess(loaderJob{Attach: byKprobe.name, PinLink: true}),
		},
	}
}

// endsWithProcess makes a loader attach a program, checks that the program counts, and
// ends the loader.
func endsWithProcess(job loaderJob) func(*T) {
	return func(t *T) {
		job.Dir = t.mount("bpf")
		child := t.loader(job)
		counter := t.pinnedCounter(job.Dir)
		t.check("loader alive, counts", true, t.counts(counter))
		child.end()
		t.check("ended, stops counting", true, t.eventually(func() bool { return !t.counts(counter) }))
	}
}

// staysWithoutProcess makes a loader attach a program and pin the link.
func staysWithoutProcess(job loaderJob) func(*T) {
	return func(t *T) {
		job.Dir = t.mount("bpf")
		child := t.loader(job)
		counter := t.pinnedCounter(job.Dir)
		t.check("loader alive, counts", true, t.counts(counter))
		child.end()
		t.check("ended, counts", true, t.counts(counter))
		t.must("unpin", os.Remove(filepath.Join(job.Dir, "link")))
		t.check("unpinned, stops counting", true, t.eventually(func() bool { return !t.counts(counter) }))
	}
}

// pinnedCounter opens the map in which a loader's program counts.
func (t *T) pinnedCounter(dir string) *ebpf.Map {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, "counter"), nil)
	t.must("open pinned map", err)
	t.after(m.Close)
	return m
}
