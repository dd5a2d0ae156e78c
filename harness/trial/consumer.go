package trial

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"golang.org/x/sys/unix"
)

// Bounds of the latency histogram: three digits from 1 ns to 100 s.
const (
	latencyMaxNS  = int64(100 * time.Second)
	latencyDigits = 3
)

// consumer reads a transport until it is flushed and keeps what arrived. After
// newConsumer it allocates nothing for an event.
type consumer struct {
	reader      transport.Reader
	cpu         int // to be pinned to; -1: none
	sampleBytes int

	events  []bpf.Event
	arrived atomic.Int64 // len(events), for others to look at

	torn, misshaped, overflow uint64
	lost                      uint64
	latency                   *hdrhistogram.Histogram
	negative                  int64

	cpuNS             int64
	voluntary, forced int64 // context switches
	stopped           chan struct{}
	err               error
}

// newConsumer makes room for most events.
func newConsumer(reader transport.Reader, sampleBytes, most, cpu int) *consumer {
	return &consumer{
		reader:      reader,
		cpu:         cpu,
		sampleBytes: sampleBytes,
		events:      make([]bpf.Event, 0, most),
		latency:     hdrhistogram.New(1, latencyMaxNS, latencyDigits),
	}
}

// start reads in the background, first after stall, until the next flush. Then
// wait returns.
func (c *consumer) start(stall time.Duration) {
	c.stopped = make(chan struct{})
	go func() {
		defer close(c.stopped)
		// Never unlocked: the thread ends with the goroutine, and its CPU
		// affinity with it.
		runtime.LockOSThread()
		c.err = c.run(stall)
	}()
}

// wait returns once the transport has been flushed and read empty.
func (c *consumer) wait() error {
	<-c.stopped
	return c.err
}

func (c *consumer) run(stall time.Duration) error {
	if c.cpu >= 0 {
		var set unix.CPUSet
		set.Set(c.cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin reader to CPU %d: %w", c.cpu, err)
		}
	}
	time.Sleep(stall)
	before, err := usageOfThread()
	if err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	after, err := usageOfThread()
	if err != nil {
		return err
	}
	c.cpuNS += after.cpuNS - before.cpuNS
	c.voluntary += after.voluntary - before.voluntary
	c.forced += after.forced - before.forced
	return nil
}

// read is the loop that is measured.
func (c *consumer) read() error {
	var sample transport.Sample
	for {
		switch err := c.reader.Read(&sample); {
		case err == nil:
			c.take(&sample)
		case errors.Is(err, transport.ErrFlushed):
			return nil
		default:
			return fmt.Errorf("read events: %w", err)
		}
	}
}

func (c *consumer) take(sample *transport.Sample) {
	now := nanotime()
	if sample.Lost > 0 {
		c.lost += sample.Lost
		return
	}
	if len(c.events) == cap(c.events) {
		c.overflow++
		return
	}
	c.events = c.events[:len(c.events)+1]
	event := &c.events[len(c.events)-1]
	if err := bpf.Decode(sample.Raw, event); err != nil {
		c.torn++
		c.events = c.events[:len(c.events)-1]
		return
	}
	if len(sample.Raw) != c.sampleBytes {
		c.misshaped++
	}
	// Never clamped: a negative latency says something about the clocks.
	if ns := now - int64(event.TimeNS); ns < 0 {
		c.negative++
	} else if c.latency.RecordValue(ns) != nil {
		_ = c.latency.RecordValue(latencyMaxNS)
	}
	c.arrived.Store(int64(len(c.events)))
}

// latencies sums the histogram up. The error is that of encoding it.
func (c *consumer) latencies() (*record.Latency, error) {
	encoded, err := c.latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode latency histogram: %w", err)
	}
	return &record.Latency{
		N:        c.latency.TotalCount(),
		P50:      c.latency.ValueAtQuantile(50),
		P90:      c.latency.ValueAtQuantile(90),
		P99:      c.latency.ValueAtQuantile(99),
		P999:     c.latency.ValueAtQuantile(99.9),
		Max:      c.latency.Max(),
		Negative: c.negative,
		HDR:      base64.StdEncoding.EncodeToString(encoded),
	}, nil
}

// usage is what the calling thread used since it started.
type usage struct {
	cpuNS             int64
	voluntary, forced int64
}

func usageOfThread() (usage, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return usage{}, fmt.Errorf("read thread CPU time: %w", err)
	}
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		return usage{}, fmt.Errorf("read thread usage: %w", err)
	}
	return usage{cpuNS: ts.Nano(), voluntary: ru.Nvcsw, forced: ru.Nivcsw}, nil
}
