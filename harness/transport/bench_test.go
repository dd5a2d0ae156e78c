// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

const (
	benchRing   = 1 << 20
	benchEvent  = 64
	benchBatch  = 100
	benchCalls  = 5000 // of a storm that is read meanwhile
	benchWakeup = 100  // events of a perf buffer for each wake-up
)

// drained is what a consumer read, and how long that took.
type drained struct {
	events int
	took   time.Duration
}

func (d *drained) add(other drained) { d.events += other.events; d.took += other.took }

func (d *drained) rate() float64 { return float64(d.events) / d.took.Seconds() }

// BenchmarkConsumer compares the readers of the library and of this package, in turn, with
// the least that a consumer can do, which is to count: events that it drains in a second, while a storm fills the ring, and of a
// full ring that nobody fills any more.
func BenchmarkConsumer(b *testing.B) {
	testutils.Root(b)
	for _, kind := range []vocab.Transport{vocab.Ringbuf, vocab.Perf} {
		for _, full := range []bool{false, true} {
			name := string(kind) + "/storm"
			if full {
				name = string(kind) + "/full-ring"
			}
			for _, reader := range []vocab.Reader{vocab.Cilium, vocab.Raw} {
				b.Run(name+"/"+string(reader), func(b *testing.B) {
					var ours, least drained
					allocs := 0.0
					for b.Loop() {
						got, perEvent := benchReader(b, kind, reader, full, false)
						ours.add(got)
						allocs += perEvent
						counted, _ := benchReader(b, kind, vocab.Raw, full, true)
						least.add(counted)
					}
					b.ReportMetric(ours.rate()/1e6, "M-events/s")
					b.ReportMetric(least.rate()/1e6, "lower-bound-M-events/s")
					b.ReportMetric(ours.rate()/least.rate(), "of-lower-bound")
					b.ReportMetric(allocs/float64(b.N), "allocs/event")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

func loadBench(b *testing.B, kind vocab.Transport) *bpf.Twin {
	b.Helper()
	twin, err := bpf.Load(bpf.Options{
		Transport: kind, Attach: vocab.AttachTracepoint, Workload: vocab.Storm, Batch: benchBatch,
		RingBytes: benchRing, EventBytes: benchEvent, Mark: workload.Mark(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return twin
}

// storm runs the load on the first CPU.
func storm(b *testing.B, twin *bpf.Twin, calls int) {
	b.Helper()
	load, err := workload.New(b.Context(), workload.Options{Storm: true, Count: calls, CPUs: []int{0}, UIDs: []uint32{0}, FirstToken: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer load.Close()
	err = twin.Attach()
	if err == nil {
		_, err = load.Run()
	}
	if err := errors.Join(err, twin.Detach()); err != nil {
		b.Fatal(err)
	}
}

// callsToFill make more events than a ring takes.
func callsToFill(kind vocab.Transport) int {
	return kind.Capacity(benchRing, benchEvent)/benchBatch + 1
}

func benchReader(b *testing.B, kind vocab.Transport, of vocab.Reader, full, count bool) (d drained, allocs float64) {
	b.Helper()
	twin := loadBench(b, kind)
	defer twin.Close()
	name := kind.DefaultPolicy()
	if kind == vocab.Perf {
		name = vocab.Policy(fmt.Sprintf("wakeup_events=%d", benchWakeup))
	}
	policy, err := kind.ParsePolicy(string(name))
	if err != nil {
		b.Fatal(err)
	}
	reader, err := Open(kind, twin.Rings(), Options{RingBytes: benchRing, Policy: policy, Reader: of})
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	var sum byte
	read := func() {
		for count {
			n, err := CounterOf(reader).Count()
			if err != nil {
				if !errors.Is(err, ErrFlushed) {
					b.Error(err)
				}
				return
			}
			d.events += n.Events
		}
		var sample Sample
		for {
			if err := reader.Read(&sample); err != nil {
				if !errors.Is(err, ErrFlushed) {
					b.Error(err)
				}
				return
			}
			if sample.Lost == 0 {
				sum += sample.Raw[0]
				d.events++
			}
		}
	}
	if full {
		storm(b, twin, callsToFill(kind))
		if err := reader.Flush(); err != nil {
			b.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		read()
		d.took = time.Since(begun)
		runtime.ReadMemStats(&after)
		return d, float64(after.Mallocs-before.Mallocs) / float64(d.events)
	}
	done := make(chan struct{})
	begun := time.Now()
	go func() {
		defer close(done)
		read()
		d.took = time.Since(begun)
	}()
	storm(b, twin, benchCalls)
	if err := reader.Flush(); err != nil {
		b.Fatal(err)
	}
	<-done
	return d, 0
}
