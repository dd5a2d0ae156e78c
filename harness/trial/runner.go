// SPDX-License-Identifier: MIT

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"golang.org/x/sys/unix"
)

const (
	// idle is how long nothing may arrive before the transport is flushed,
	// although more was submitted than has arrived.
	idle = 100 * time.Millisecond
	// tokensPerTrial is each trial's range of tokens, so that an event of one
	// trial is unknown to every other.
	tokensPerTrial = 1 << 24
)

// Messages are what the config map holds in a trial. Another uid gets the
// default message.
func Messages() map[uint32]string {
	return map[uint32]string{0: "Hey root!", 501: "Hi user 501!"}
}

// Runner measures trials on the running kernel. It needs root.
type Runner struct {
	cpus  []int // that this process may run on
	stats io.Closer
	// controls are the measured controls: the trials of a block share one.
	controls map[controlOf]controlCost
	kept     map[attachedTo]io.Closer // until the runner is closed
}

// attachedTo is the hook of a cell's programs.
type attachedTo struct {
	attach   vocab.Attach
	workload vocab.Workload
}

// trials numbers the trials of this process, from 1.
var trials atomic.Uint64

// NewRunner enables the kernel's program statistics. Close it after use.
func NewRunner() (*Runner, error) {
	cpus, err := CPUs()
	if err != nil {
		return nil, err
	}
	stats, err := bpf.EnableStats()
	if err != nil {
		return nil, err
	}
	return &Runner{cpus: cpus, stats: stats, controls: map[controlOf]controlCost{}, kept: map[attachedTo]io.Closer{}}, nil
}

// Close disables the statistics.
func (r *Runner) Close() error {
	err := r.stats.Close()
	for _, point := range r.kept {
		err = errors.Join(err, point.Close())
	}
	return err
}

// keep makes attaching and detaching fast for the next trials.
func (r *Runner) keep(cell *record.Cell) error {
	to := attachedTo{cell.Attach, cell.Workload}
	if r.kept[to] != nil {
		return nil
	}
	point, err := bpf.Keep(cell.Attach, cell.Workload)
	if err == nil {
		r.kept[to] = point
	}
	return err
}

// CPUs are those that this process may run on: the trials use all of them.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("read CPU affinity: %w", err)
	}
	var cpus []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// placement puts the reader on the last CPU, and the producers as the cell configures.
func (r *Runner) placement(cell *record.Cell) (producers []int, consumer int) {
	last := len(r.cpus) - 1
	switch cell.Placement {
	case "same":
		return r.cpus[last:], r.cpus[last]
	case "hot":
		return r.cpus[:1], r.cpus[last]
	}
	return r.cpus[:max(last, 1)], r.cpus[last]
}

// Run measures one trial of the cell. It fills the measured parts of the record: counts,
// latency, cost, rate and memory. The context ends the workload.
func (r *Runner) Run(ctx context.Context, cell record.Cell) (_ *record.Trial, err error) {
	if err := r.keep(&cell); err != nil {
		return nil, err
	}
	control, err := r.control(ctx, cell)
	if err != nil {
		return nil, err
	}
	twin, reader, err := open(cell)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close(), twin.Close()) }()
	producers, consumerCPU := r.placement(&cell)
	options := r.loadOptions(cell, producers)

	kind := cell.Transport
	c := newConsumer(reader, consumerOptions{
		workload:    cell.Workload,
		eventBytes:  cell.PayloadBytes,
		sampleBytes: kind.SampleBytes(cell.PayloadBytes),
		most:        room(cell),
		cpu:         consumerCPU,
		delay:       time.Duration(cell.ReaderDelayNS),
	})
	load, err := newLoad(ctx, cell, options, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	out := &record.Trial{}
	// Collect the garbage of the configuration now, and disable the collector during the
	// trial.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	// With a single P, Go's scheduler retakes it after 20 us from a reader that waits in
	// the kernel. Reading an event then costs 6000 or 7500 instructions, depending on
	// whether this happens before or after it. With two Ps it is retaken after 10 ms, as
	// on any machine with several CPUs.
	// https://github.com/golang/go/blob/go1.24.0/src/runtime/proc.go#L6367
	if procs := runtime.GOMAXPROCS(0); procs < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}

	stolen, err := stealNS(r.cpus)
	if err != nil {
		return nil, err
	}
	stall := time.Duration(cell.ReaderStallMS) * time.Millisecond
	begun := time.Now()
	var truth workload.Truth
	if cell.ReaderStallMS == record.UntilOver {
		truth, err = r.load(twin, load, nil)
		c.start(0)
	} else {
		truth, err = r.load(twin, load, func() error {
			c.start(stall)
			if stall > 0 {
				return nil
			}
			return c.awaitAsleep()
		})
	}
	if err == nil {
		err = settle(twin, c, begun.Add(stall))
	}
	// The reader must end, whatever happened to the load.
	beforeFlush := c.arrived.Load()
	err = errors.Join(err, reader.Flush())
	if err != nil {
		return nil, errors.Join(err, reader.Close(), c.wait())
	}
	if err := c.wait(); err != nil {
		return nil, err
	}

	if p, ok := load.(*pulled); ok {
		truth = p.truth()
	}
	counts, err := tally(twin, reader, c, cell, truth)
	if err != nil {
		return nil, err
	}
	counts.Drained = counts.Delivered - uint64(beforeFlush)
	lost := int64(counts.Attempts + counts.Misses*uint64(cell.Batch) - counts.Delivered)
	if out.Latency, err = latencies(c.latency, c.negative, lost); err != nil {
		return nil, err
	}
	if out.Intended, err = intended(c, cell, options, truth, lost); err != nil {
		return nil, err
	}
	if out.Cost, err = cost(twin, c, counts, truth, control); err != nil {
		return nil, err
	}
	if out.Disturbance, err = r.disturbance(stolen, c, &truth); err != nil {
		return nil, err
	}
	out.Counts = counts
	out.Rate = rate(cell, counts, truth)
	if out.Memory, err = memory(reader); err != nil {
		return nil, err
	}
	if counts.LostTail, err = r.lostTail(ctx, cell, twin, reader, counts); err != nil {
		return nil, err
	}
	return out, nil
}

// room is the maximum number of events to arrive: a fault duplicates some.
func room(cell record.Cell) int {
	if cell.Fault != "" {
		return 2 * cell.Events
	}
	return cell.Events
}

// open loads the cell's twin and opens its reader.
func open(cell record.Cell) (_ *bpf.Twin, _ transport.Reader, err error) {
	kind := cell.Transport
	policy, err := kind.ParsePolicy(string(cell.Policy))
	if err != nil {
		return nil, nil, err
	}
	fault, err := vocab.ParseFault(string(cell.Fault))
	if err != nil {
		return nil, nil, err
	}
	wakeup, wakeupBytes := transport.Wakeup(kind, policy, cell.PayloadBytes)
	twin, err := bpf.Load(bpf.Options{
		Transport:   kind,
		Attach:      cell.Attach,
		Workload:    cell.Workload,
		RingBytes:   cell.RingBytes,
		EventBytes:  cell.PayloadBytes,
		Batch:       cell.Batch,
		Wakeup:      wakeup,
		WakeupBytes: wakeupBytes,
		ExtraWork:   transport.ExtraWork(fault),
		Mark:        workload.Mark(),
	})
	if err != nil {
		return nil, nil, err
	}
	for uid, text := range Messages() {
		if err := twin.SetMessage(uid, text); err != nil {
			return nil, nil, errors.Join(err, twin.Close())
		}
	}
	reader, err := transport.Open(kind, twin.Events(), transport.Options{
		RingBytes: cell.RingBytes, Policy: policy, Flush: time.Duration(cell.FlushMS) * time.Millisecond,
	})
	if err != nil {
		return nil, nil, errors.Join(err, twin.Close())
	}
	return twin, transport.Inject(fault, reader), nil
}
