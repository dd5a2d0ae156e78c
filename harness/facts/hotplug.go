// SPDX-License-Identifier: MIT

package facts

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// cpus are statements about CPUs: which there are, and which an event comes from.
func cpus() []Statement {
	return []Statement{
		{
			ID:     "perf-offline-cpu",
			Text:   "The perf ring of a CPU that is offline cannot be opened: ENODEV. When that CPU comes online, output there fails with ENOENT until somebody opens its ring.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_event_open()"),
			run: func(t *T) {
				array := t.perfArray()
				output := t.output(array)
				cpu, online := t.offline()
				_, err := t.tryPerfRing(array, cpu, page, bpfOutput())
				t.check("open", unix.ENODEV, err)
				online()
				t.onCPU(1)
				t.check("output when it is online", unix.ENOENT, output(8, 0))
				t.perfRing(array, cpu, page, bpfOutput())
				t.check("after its ring was opened", nil, output(8, 0))
			},
		},
		{
			ID:     "perf-cpu-came-back",
			Text:   "The perf event of a CPU that went offline stays dead when the CPU comes back: output there fails with EOPNOTSUPP, also after PERF_EVENT_IOC_ENABLE, and is not reported as lost. A new event works.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_event_exit_cpu_context()"),
			run:    perfCPUCameBack,
		},
		{
			ID:     "ring-cpu-came-back",
			Text:   "A ring buffer takes the records of a CPU that was offline when it was made, or in between.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "__bpf_ringbuf_reserve()"),
			run: func(t *T) {
				before := t.ring(page, 0)
				_, online := t.offline()
				during := t.ring(page, 0)
				online()
				t.onCPU(1)
				t.check("made before", nil, t.output(before.Map)(8, 0))
				t.check("made meanwhile", nil, t.output(during.Map)(8, 0))
			},
		},
		{
			ID:     "possible-not-online",
			Text:   "A per-CPU map has a value for every possible CPU, which takes memory and is copied by a look-up, whether the CPU is online or not.",
			Source: elixir("6.12", "kernel/bpf/arraymap.c", "bpf_percpu_array_copy()"),
			run:    possibleCPUs,
		},
		{
			ID:     "perf-slot-is-cpu",
			Text:   "The slot of a perf buffer is the number of the CPU: a buffer with fewer slots than CPUs are possible refuses on the CPUs of higher numbers with E2BIG.",
			Source: elixir("6.12", "kernel/trace/bpf_trace.c", "__bpf_perf_event_output()"),
			run: func(t *T) {
				high := t.cpu(1)
				array := t.newMap(ebpf.MapSpec{
					Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(high),
				})
				output := t.output(array)
				t.perfRing(array, t.onCPU(0), page, bpfOutput())
				t.check("on a CPU with a slot", nil, output(8, 0))
				t.onCPU(1)
				t.check("on the next", unix.E2BIG, output(8, 0))
			},
		},
		{
			ID:     "record-without-cpu",
			Text:   "A record of a ring buffer does not tell its CPU: its header is the length, and the number of its page, counted from the start of the kernel's structure.",
			Source: elixir("6.12", "kernel/bpf/ringbuf.c", "bpf_ringbuf_rec_pg_off()"),
			run:    recordWithoutCPU,
		},
		{
			ID:     "sample-with-cpu",
			Text:   "A perf ring has the records of one CPU, and with PERF_SAMPLE_CPU each tells its number.",
			Source: elixir("6.12", "kernel/events/core.c", "perf_output_sample()"),
			run: func(t *T) {
				array := t.perfArray()
				attr := bpfOutput()
				attr.Sample_type |= unix.PERF_SAMPLE_CPU
				output := t.output(array)
				for n := range 2 {
					ring := t.perfRing(array, t.onCPU(n), page, attr)
					t.ok(output(8, 0))
					cpu := binary.NativeEndian.Uint32(ring.slice(perfHeaderBytes, 4))
					t.check(fmt.Sprintf("of CPU %d", t.cpu(n)), t.cpu(n), cpu)
				}
			},
		},
	}
}

// offline takes the second CPU offline, until online is called or the experiment ends.
func (t *T) offline() (cpu int, online func()) {
	cpu = t.cpu(1)
	if !t.machine {
		t.cannot("takes a machine whose CPUs may go offline: a kernel in a machine (--kernel)")
	}
	t.onCPU(0)
	file := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu)
	set := func(state string) error { return os.WriteFile(file, []byte(state), 0) }
	if _, err := os.Stat(file); err != nil {
		t.cannot("CPU %d cannot go offline", cpu)
	}
	t.after(func() error { return set("1") })
	t.must("take CPU offline", set("0"))
	return cpu, func() { t.must("take CPU online", set("1")) }
}

func perfCPUCameBack(t *T) {
	array := t.perfArray()
	output := t.output(array)
	ring := t.perfRing(array, t.cpu(1), page, bpfOutput())
	t.onCPU(1)
	t.ok(output(8, 1))
	cpu, online := t.offline()
	online()
	t.onCPU(1)
	t.check("output", unix.EOPNOTSUPP, output(8, 2))
	t.must("enable perf event", unix.IoctlSetInt(ring.fd(), unix.PERF_EVENT_IOC_ENABLE, 0))
	t.check("after ENABLE", unix.EOPNOTSUPP, output(8, 3))
	records := ring.read()
	t.check("read, from before", []uint64{1}, samples(records))
	t.check("lost, as reported", 0, lost(records))
	t.perfRing(array, cpu, page, bpfOutput())
	t.check("to a new event", nil, output(8, 4))
}

func possibleCPUs(t *T) {
	possible, online := t.cpuList("possible"), t.cpuList("online")
	if possible == online {
		t.offline()
		online--
	}
	t.check("more CPUs possible than online", true, possible > online)
	const size, entries = 4096, 64
	m := t.newMap(ebpf.MapSpec{Name: "percpu", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: size, MaxEntries: entries})
	// Besides the values there are a pointer for each entry, and the map itself.
	t.check("CPUs whose values are in memlock", possible, t.memlock(m)/(size*entries))

	value := make([]byte, (possible+1)*size)
	for i := range value {
		value[i] = 0xff
	}
	key := make([]byte, 4)
	_, err := bpfCall(mapLookupElem, &elemAttr{MapFD: uint32(m.FD()), Key: address(key), Value: address(value)})
	runtime.KeepAlive(key)
	t.must("look up", err)
	t.check("values copied by a look-up", possible, strings.Count(string(value), "\x00")/size)
}

// cpuList counts the CPUs of a list of the kernel's: possible or online.
func (t *T) cpuList(name string) int {
	text, err := os.ReadFile("/sys/devices/system/cpu/" + name)
	t.must("count CPUs", err)
	return countCPUs(string(text))
}

func recordWithoutCPU(t *T) {
	ring := t.ring(4*page, 0)
	output := t.output(ring.Map)
	const size = 1000
	var want, seen []uint32
	for n := range 4*page/ringFootprint(size) - 1 {
		at := ring.produced()
		t.onCPU(n % 2)
		t.ok(output(size, 0))
		// One page of the kernel's own and two of positions are in front of the data.
		want = append(want, uint32(3+int(at)/page))
		seen = append(seen, binary.NativeEndian.Uint32(ring.data[at+4:]))
	}
	t.check("pages in the headers, from two CPUs in turn", want, seen)
}
