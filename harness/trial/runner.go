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
	"github.com/ringtwin/ringtwin/harness/profile"
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
	spent    *profile.Spent           // of the last trial

	// Turns makes the CPUs of an emulator take turns between the calls of a storm at full
	// rate, and each trial measure its own control: for a profiler of several CPUs.
	Turns bool
}

// Spent is what a profile of the last trial must account for.
func (r *Runner) Spent() *profile.Spent { return r.spent }

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

// placement puts the reader on the last CPU that stays online, and the producers as the
// cell configures.
func (r *Runner) placement(cell *record.Cell) (producers []int, consumer int) {
	last := len(r.cpus) - 1
	leaves, _ := cell.Offline.CPU()
	reader := r.cpus[last]
	if reader == leaves && last > 0 {
		reader = r.cpus[last-1]
	}
	switch cell.Placement {
	case vocab.Same:
		return []int{reader}, reader
	case vocab.Hot:
		return r.cpus[:1], reader
	case vocab.Spread:
		return r.cpus, reader
	}
	return r.cpus[:max(last, 1)], reader
}

// Run measures one trial of the cell. It fills the measured parts of the record: counts,
// latency, cost, rate, memory and order. The context ends the workload.
func (r *Runner) Run(ctx context.Context, cell record.Cell) (_ *record.Trial, err error) {
	// Each trial has two parts, whatever becomes of it: a profiler counts them.
	markPart()
	control, err := r.control(ctx, cell)
	markPart()
	if err != nil {
		return nil, err
	}
	away, err := newAbsence(cell.Offline)
	if err != nil {
		return nil, err
	}
	defer func(all []int) {
		err = errors.Join(err, away.end())
		r.cpus = all
	}(r.cpus)
	if cell.Offline != "" {
		if r.cpus, err = CPUs(); err != nil {
			return nil, err
		}
	}
	var limit *quota
	if percent, _ := cell.ReaderCPU.Limits(); percent > 0 {
		if limit, err = newQuota(percent); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, limit.close()) }()
	}
	twin, reader, err := open(cell)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close(), twin.Close()) }()
	_, consumerCPU := r.placement(&cell)
	c := newConsumer(reader, consumerOptions{
		cell:  cell,
		most:  room(cell),
		cpu:   consumerCPU,
		delay: time.Duration(cell.ReaderDelayNS),
		limit: limit,
	})
	stall := time.Duration(cell.ReaderStallMS) * time.Millisecond
	if _, when := cell.Offline.CPU(); when != vocab.Stays {
		c.start(stall)
		if err := away.beforeLoad(reader, c.stopped); err != nil {
			return nil, errors.Join(err, reader.Close(), c.wait())
		}
		if r.cpus, err = CPUs(); err != nil {
			return nil, errors.Join(err, reader.Close(), c.wait())
		}
	}
	producers, _ := r.placement(&cell)
	options := r.loadOptions(cell, producers)
	load, err := newLoad(ctx, cell, options, c)
	if err != nil {
		return nil, errors.Join(err, reader.Close(), c.wait())
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	truth, stolen, beforeFlush, err := r.measure(cell, twin, reader, c, load)
	if err != nil {
		return nil, err
	}
	return r.conclude(ctx, &measured{
		cell: cell, control: control, twin: twin, reader: reader, consumer: c,
		options: options, truth: truth, stolen: stolen, beforeFlush: beforeFlush,
	})
}

// measure runs the load, and reads until nothing is left.
func (r *Runner) measure(cell record.Cell, twin *bpf.Twin, reader transport.Reader, c *consumer, load load) (truth workload.Truth, stolen, beforeFlush int64, err error) {
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
	if stolen, err = stealNS(r.cpus); err != nil {
		return truth, 0, 0, errors.Join(err, reader.Close(), c.wait())
	}
	stall := time.Duration(cell.ReaderStallMS) * time.Millisecond
	begun := time.Now()
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
	if err == nil && cell.Fault.Kind() != vocab.Strand {
		err = twin.Flush(r.cpus)
	}
	if err == nil && !cell.Transport.Spec().Family.Overwrites {
		err = settle(twin, c, begun.Add(stall))
	}
	// The reader must end, whatever happened to the load.
	beforeFlush = c.arrived.Load()
	err = errors.Join(err, reader.Flush())
	if err != nil {
		return truth, 0, 0, errors.Join(err, reader.Close(), c.wait())
	}
	if err := c.wait(); err != nil {
		return truth, 0, 0, err
	}
	if p, ok := load.(*pulled); ok {
		truth = p.truth()
	}
	return truth, stolen, beforeFlush, nil
}

// measured is a trial whose load and reader have ended.
type measured struct {
	cell     record.Cell
	control  controlCost
	twin     *bpf.Twin
	reader   transport.Reader
	consumer *consumer
	options  workload.Options
	truth    workload.Truth
	// stolen is the steal time before, and beforeFlush how many events had arrived when
	// the reader was told to take the rest.
	stolen, beforeFlush int64
}

// conclude computes the record.
func (r *Runner) conclude(ctx context.Context, m *measured) (*record.Trial, error) {
	out := &record.Trial{}
	counts, err := tally(m)
	if err != nil {
		return nil, err
	}
	counts.Drained = counts.Delivered - uint64(m.beforeFlush)
	c, cell := m.consumer, m.cell
	lost := int64(counts.Attempts + counts.Misses*uint64(cell.Batch) - counts.Delivered)
	if out.Latency, err = latencies(c.latency, c.negative, lost); err != nil {
		return nil, err
	}
	if out.Intended, err = intended(c, cell, m.options, m.truth, lost); err != nil {
		return nil, err
	}
	if out.Cost, err = cost(m.twin, c, counts, m.truth, m.control); err != nil {
		return nil, err
	}
	r.spent = spent(m.twin, c, &m.truth, &m.control)
	if out.Disturbance, err = r.disturbance(m.stolen, c, &m.truth); err != nil {
		return nil, err
	}
	out.Counts = counts
	out.Rate = rate(cell, counts, m.truth)
	out.Order = order(c.events)
	out.Victims = victims(m)
	out.RecoveryNS = recovery(c.events, counts)
	if out.Memory, err = memory(m.reader); err != nil {
		return nil, err
	}
	if counts.LostTail, err = r.lostTail(ctx, cell, m.twin, m.reader, counts); err != nil {
		return nil, err
	}
	return out, nil
}

// room is the maximum number of events to arrive: a fault duplicates some.
func room(cell record.Cell) int {
	n := cell.Events + cell.Flood
	switch {
	case cell.TotalsOnly():
		return 0
	case cell.Fault != "":
		return 2 * n
	}
	return n
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
		Shards:      cell.Shards,
		Stage:       cell.Stage,
		Bare:        cell.Content == vocab.Bare,
		Sizes:       cell.Sizes,
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
	reader, err := transport.Open(kind, twin.Rings(), transport.Options{
		RingBytes: cell.RingBytes, EventBytes: cell.PayloadBytes, Policy: policy, Flush: time.Duration(cell.FlushMS) * time.Millisecond,
		Reader: cell.Reader, Lone: cell.Placement == vocab.BackToBack, Time: bpf.TimeOf(cell.Workload),
	})
	if err != nil {
		return nil, nil, errors.Join(err, twin.Close())
	}
	return twin, transport.Inject(fault, reader), nil
}
