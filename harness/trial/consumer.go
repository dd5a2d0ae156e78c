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

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// consumer reads a transport until it is flushed and keeps the events. After newConsumer
// it allocates nothing for an event.
type consumer struct {
	consumerOptions
	reader transport.Reader

	events  []bpf.Event
	times   []int64      // when each arrived, CLOCK_MONOTONIC
	arrived atomic.Int64 // len(events), for others to look at

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
	workload    vocab.Workload
	eventBytes  int // as sent
	sampleBytes int // as it arrives
	most        int // events to make room for
	cpu         int // to be pinned to; -1: none
	delay       time.Duration
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
		events:          make([]bpf.Event, 0, opts.most),
		times:           make([]int64, 0, opts.most),
		latency:         newHistogram(),
	}
	// Fault in all pages now: untouched memory would cause page faults while reading.
	clear(c.events[:opts.most])
	clear(c.times[:opts.most])
	c.latency.Reset()
	return c
}

// start reads in the background, first after stall, until the next flush. Then
// wait returns.
func (c *consumer) start(stall time.Duration) {
	c.stopped = make(chan struct{})
	go func() {
		defer close(c.stopped)
		// Never unlocked: the thread, with its CPU affinity, ends with the goroutine.
		runtime.LockOSThread()
		c.err = c.run(stall)
	}()
}

// wait returns once the transport has been flushed and read empty.
func (c *consumer) wait() error {
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

func (c *consumer) run(stall time.Duration) error {
	c.thread.Store(int64(unix.Gettid()))
	if c.cpu >= 0 {
		var set unix.CPUSet
		set.Set(c.cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin reader to CPU %d: %w", c.cpu, err)
		}
	}
	time.Sleep(stall)
	delayed, err := runDelayOfThread()
	if err != nil {
		return err
	}
	before, err := usageOfThread()
	if err != nil {
		return err
	}
	c.beginNS = nanotime()
	c.pull()
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
	if c.decode(sample.Raw, event) != nil {
		c.torn++
		c.events = c.events[:len(c.events)-1]
		return
	}
	c.times = append(c.times, now)
	if len(sample.Raw) != c.sampleBytes {
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
	if n := int(c.called.Load()); n < c.calls {
		c.called.Add(1)
		c.trigger(n)
	}
}

func (c *consumer) decode(raw []byte, event *bpf.Event) error {
	if c.workload == vocab.Storm {
		return bpf.DecodeStorm(raw, c.eventBytes, event)
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
