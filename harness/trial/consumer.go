// SPDX-License-Identifier: MIT

package trial

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// consumer reads a transport until it is flushed and keeps the events. After newConsumer
// it allocates nothing for an event.
type consumer struct {
	consumerOptions
	reader transport.Reader

	sizes       []int // of events, by their number; nil: all have one
	storm       bool
	fixed       bool            // each sample is as long as the largest
	sampleBytes func(n int) int // in which an event arrives
	sample      int             // the same of the largest event

	events  []bpf.Event
	times   []int64         // when each arrived, CLOCK_MONOTONIC
	arrived atomic.Int64    // how many there were, for others to look at
	totals  transport.Total // of what was counted without a look

	torn, misshaped, overflow uint64
	lost                      uint64
	latency                   *hdrhistogram.Histogram
	negative                  int64

	thread            atomic.Int64 // its number, once it runs
	called            atomic.Int64 // calls of trigger
	beginNS, endNS    int64        // of reading, CLOCK_MONOTONIC
	cpuNS             int64
	voluntary, forced int64 // context switches
	runDelayNS        int64 // ready, and not running
	stopped           chan struct{}
	err               error
}

// consumerOptions configure a consumer.
type consumerOptions struct {
	cell  record.Cell
	most  int // events to make room for
	cpu   int // to be pinned to; -1: none
	delay time.Duration
	limit *quota // nil: none
	// trigger is called before the first read and whenever a batch has been read, calls
	// times in all: the reader is also the producer. nil: it is not.
	trigger func(call int)
	calls   int
	batch   int
}

func newConsumer(reader transport.Reader, opts consumerOptions) *consumer {
	c := &consumer{
		reader:          reader,
		consumerOptions: opts,
		sizes:           opts.cell.Sizes.Table(),
		storm:           opts.cell.Workload == vocab.Storm,
		events:          make([]bpf.Event, 0, opts.most),
		times:           make([]int64, 0, opts.most),
		latency:         newHistogram(),
	}
	spec := opts.cell.Transport.Spec()
	c.sampleBytes, c.fixed = spec.Family.SampleBytes, spec.FixedSize
	if spec.Family.Stages {
		c.sampleBytes = spec.Family.FootprintBytes // the share of a record
	}
	c.sample = c.sampleBytes(opts.cell.PayloadBytes)
	// Fault in all pages now: untouched memory would cause page faults while reading.
	clear(c.events[:opts.most])
	clear(c.times[:opts.most])
	c.latency.Reset()
	return c
}

// start reads in the background, first after stall, until the next flush. Then
// wait returns.
//
// A second call does nothing.
func (c *consumer) start(stall time.Duration) {
	if c.stopped != nil {
		return
	}
	c.stopped = make(chan struct{})
	go func() {
		defer close(c.stopped)
		// Never unlocked: the thread, with its CPU affinity, ends with the goroutine.
		runtime.LockOSThread()
		c.err = c.run(stall)
	}()
}

// wait returns once the transport has been flushed and read empty.
//
// Where it was never started there is nothing to wait for.
func (c *consumer) wait() error {
	if c.stopped == nil {
		return nil
	}
	<-c.stopped
	return c.err
}

// awaitAsleep waits until the reader waits for events. A reader that is still starting
// would be late for the first event, and this would dominate the maximum latency. It
// returns if the reader has ended.
func (c *consumer) awaitAsleep() error {
	for {
		asleep, err := c.asleep()
		if asleep || err != nil {
			return err
		}
		select {
		case <-c.stopped:
			return nil // wait returns the cause
		case <-time.After(time.Millisecond):
		}
	}
}

// asleep reports whether the reading thread waits for something other than a CPU.
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func (c *consumer) asleep() (bool, error) {
	thread := c.thread.Load()
	if thread == 0 {
		return false, nil // it has not run yet
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", thread))
	if err != nil {
		return false, fmt.Errorf("read state of the reader: %w", err)
	}
	// The name, in parentheses, may hold anything.
	_, rest, _ := strings.Cut(string(text[max(bytes.LastIndexByte(text, ')'), 0):]), " ")
	return !strings.HasPrefix(rest, "R"), nil
}

func (c *consumer) run(stall time.Duration) (err error) {
	c.thread.Store(int64(unix.Gettid()))
	if c.cpu >= 0 {
		var set unix.CPUSet
		set.Set(c.cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin reader to CPU %d: %w", c.cpu, err)
		}
	}
	undo, err := starve(c.cell.ReaderCPU, c.limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo()) }()
	time.Sleep(stall)
	delayed, err := runDelayOfThread()
	if err != nil {
		return err
	}
	markEach((*int64)(unsafe.Pointer(&c.arrived)))
	markReading()
	before, err := usageOfThread()
	if err != nil {
		return err
	}
	c.beginNS = nanotime()
	c.pull()
	read := c.read
	if c.cell.TotalsOnly() {
		read = c.count
	}
	if err := read(); err != nil {
		return err
	}
	markRead()
	after, err := usageOfThread()
	if err != nil {
		return err
	}
	c.cpuNS += after.cpuNS - before.cpuNS
	c.voluntary += after.voluntary - before.voluntary
	c.forced += after.forced - before.forced
	delayedAfter, err := runDelayOfThread()
	c.runDelayNS += delayedAfter - delayed
	return err
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

// count is the loop that is measured where only totals are known.
func (c *consumer) count() error {
	counter := transport.CounterOf(c.reader)
	for {
		n, err := counter.Count()
		switch {
		case err == nil:
		case errors.Is(err, transport.ErrFlushed):
			return nil
		default:
			return fmt.Errorf("count events: %w", err)
		}
		c.totals.Events += n.Events
		c.lost += n.Lost
		c.arrived.Store(int64(c.totals.Events))
		if c.trigger != nil && c.totals.Events >= c.batch*int(c.called.Load()) {
			c.pull()
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
	bytes, arrives := c.cell.PayloadBytes, c.sample
	if c.sizes != nil {
		bytes = vocab.SizeOf(c.sizes, bpf.StormSeq(sample.Raw))
		if !c.fixed {
			arrives = c.sampleBytes(bytes)
		}
	}
	if c.decode(sample.Raw, bytes, event) != nil {
		c.torn++
		c.events = c.events[:len(c.events)-1]
		return
	}
	c.times = append(c.times, now)
	if len(sample.Raw) != arrives {
		c.misshaped++
	}
	if event.TimeNS != 0 { // else the event is too small for a time
		c.negative += observe(c.latency, now-int64(event.TimeNS))
	}
	c.arrived.Store(int64(len(c.events)))
	if c.trigger != nil && len(c.events)%c.batch == 0 {
		c.pull()
	}
	for until := now + int64(c.delay); c.delay > 0 && nanotime() < until; {
	}
}

// pull causes the next batch, or notes that all have been read.
func (c *consumer) pull() {
	if c.trigger == nil {
		return
	}
	c.endNS = nanotime()
	if r, ok := c.reader.(transport.Releaser); ok {
		r.Release()
	}
	if n := int(c.called.Load()); n < c.calls {
		c.called.Add(1)
		c.trigger(n)
	}
}

func (c *consumer) decode(raw []byte, bytes int, event *bpf.Event) error {
	if c.storm {
		return bpf.DecodeStorm(raw, bytes, event)
	}
	return bpf.Decode(raw, event)
}

// usage is the resource usage of the calling thread since it started.
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
