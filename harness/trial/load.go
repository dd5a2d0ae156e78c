// SPDX-License-Identifier: MIT

package trial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"golang.org/x/sys/unix"
)

// load is what causes the events of a trial.
type load interface {
	Run() (workload.Truth, error)
	Close() error
}

// newLoad starts the producers of the cell, or makes the reader the producer.
func newLoad(ctx context.Context, cell record.Cell, options workload.Options, c *consumer) (load, error) {
	if cell.Placement == vocab.BackToBack {
		c.batch, c.calls = cell.Batch, options.Count
		c.trigger = func(call int) { workload.Call(options, call) }
		return &pulled{ctx, c}, nil
	}
	load, err := workload.New(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("start workload: %w", err)
	}
	return load, nil
}

// pulled is the load that the reader itself makes.
type pulled struct {
	ctx context.Context
	c   *consumer
}

// stuck is how long a reader that is also the producer may sleep without reading
// anything: nothing else would wake it. A reader that is ready but not running is not
// stuck.
const stuck = time.Second

// Run waits until the reader has read all that it caused.
func (p *pulled) Run() (workload.Truth, error) {
	last, since := int64(-1), time.Now()
	for all := int64(p.c.calls * p.c.batch); p.c.arrived.Load() < all && p.ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if now := p.c.arrived.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stuck {
			if asleep, err := p.c.asleep(); asleep || err != nil {
				return p.truth(), err
			}
			since = time.Now()
		}
	}
	return p.truth(), p.ctx.Err()
}

// truth is complete once the reader has stopped.
func (p *pulled) truth() workload.Truth {
	return workload.Truth{Calls: int(p.c.called.Load()), BeginNS: uint64(p.c.beginNS), EndNS: uint64(max(p.c.endNS, p.c.beginNS))}
}

// Close has nothing to end.
func (p *pulled) Close() error { return nil }

// loadOptions are the options of the cell's workload. On a single CPU the scheduler's
// history decides, for a whole trial, whether a woken reader runs first. So a producer
// that waits between events gives way to it, as if the reader had its own CPU. There Go's
// monitor thread, awake since this process released the producers, would also preempt
// them fifty times before it sleeps for longer, so they wait until it does.
// https://github.com/golang/go/blob/go1.24.0/src/runtime/proc.go#L6163
func (r *Runner) loadOptions(cell record.Cell, cpus []int) workload.Options {
	var lead time.Duration
	if len(r.cpus) == 1 {
		lead = untilQuiet
	}
	return workload.Options{
		Lead:       lead,
		Storm:      cell.Workload == vocab.Storm,
		Count:      cell.Events / cell.Batch / cell.Producers,
		Producers:  cell.Producers,
		RateHz:     cell.RateHz / float64(cell.Batch),
		CPUs:       cpus,
		GiveWay:    len(r.cpus) == 1 && cell.RateHz > 0,
		Flood:      cell.Flood / cell.Batch,
		Turns:      r.Turns && cell.Workload == vocab.Storm && cell.RateHz == 0,
		FirstToken: nextTokens(),
	}
}

// untilQuiet is how long Go's monitor thread takes to go to sleep for 10 ms at a time,
// fifty times 20 us, 70 us with the timer slack, and then twice as long each time.
const untilQuiet = 50 * time.Millisecond

// mostControls is how many calls of the control suffice to know the cost of one.
const mostControls = 20_000

// controlOf is the part of a cell on which its control depends.
type controlOf struct {
	attach           vocab.Attach
	placement        vocab.Placement
	count, producers int
	paced            bool
}

// control is the cost of a storm's trigger with an empty program attached: the CPU time
// of its producers, if that includes nothing else, and the run time of the program, which
// is that of the kernel's two clock readings. It is measured once, except on a single
// CPU: there the cost is exact, and a profile subtracts the control function by function.
func (r *Runner) control(ctx context.Context, cell record.Cell) (controlCost, error) {
	if err := r.keep(&cell); err != nil {
		return controlCost{}, err
	}
	if cell.Workload != vocab.Storm || cell.Placement == vocab.BackToBack {
		return controlCost{}, nil
	}
	of := controlOf{cell.Attach, cell.Placement, cell.Events / cell.Batch / cell.Producers, cell.Producers, cell.RateHz != 0}
	if c, ok := r.controls[of]; ok && (of.paced || len(r.cpus) > 1 && !r.Turns) {
		return c, nil
	}
	c, err := r.measureControl(ctx, cell)
	if err == nil {
		r.controls[of] = c
	}
	return c, err
}

func (r *Runner) measureControl(ctx context.Context, cell record.Cell) (c controlCost, err error) {
	empty, err := bpf.LoadEmpty(cell.Attach)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, empty.Close()) }()
	producers, _ := r.placement(&cell)
	paced := cell.RateHz != 0
	cell.RateHz = 0
	options := r.loadOptions(cell, producers)
	options.Count, options.Flood = min(options.Count, mostControls), 0
	load, err := workload.New(ctx, options)
	if err != nil {
		return c, fmt.Errorf("start control: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	truth, err := r.load(empty, load, nil)
	if err != nil {
		return c, err
	}
	c.program = empty.Programs()
	stats, err := empty.Stats()
	c.runNS = ratio(float64(stats.RunTime), float64(stats.Runs))
	if !paced { // else most of it would be waiting
		c.callCost = costOfCall(&truth)
	}
	return c, err
}

func nextTokens() uint64 {
	return trials.Add(1) * tokensPerTrial
}

// load runs the workload while the twin is attached. It calls ready, if not nil, once the
// twin is attached.
func (r *Runner) load(twin *bpf.Twin, load load, ready func() error) (workload.Truth, error) {
	err := twin.Attach()
	if ready != nil {
		err = errors.Join(err, ready()) // in any case: ready starts the reader, for which others wait
	}
	if err != nil {
		return workload.Truth{}, err
	}
	truth, err := load.Run()
	if err != nil {
		err = fmt.Errorf("run workload: %w", err)
	}
	return truth, errors.Join(err, twin.Detach())
}

// settle gives the reader time to read the events that it is woken for. Only a flush
// delivers what is left in the rings then.
func settle(twin *bpf.Twin, c *consumer, from time.Time) error {
	time.Sleep(time.Until(from))
	counters, err := twin.Counters()
	if err != nil {
		return err
	}
	var submitted int64
	for _, cpu := range counters {
		submitted += int64(cpu.Submitted(c.cell.Content == vocab.Bare && !c.cell.Transport.Spec().Family.Stages))
	}
	last, since := int64(-1), time.Now()
	for {
		arrived := c.arrived.Load()
		if arrived >= submitted {
			return nil
		}
		if arrived != last {
			last, since = arrived, time.Now()
		}
		if time.Since(since) > idle {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// lostTail causes another event on every CPU and returns how many lost events
// the kernel reports in front of the first of each: a PERF_RECORD_LOST is only
// ever written before the next record that fits, and in an empty ring the first
// one does.
// __perf_output_begin() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
func (r *Runner) lostTail(ctx context.Context, cell record.Cell, twin *bpf.Twin, reader transport.Reader, counts *record.Counts) (tail uint64, err error) {
	if counts.Failed[ErrnoName(uint64(unix.ENOSPC))] == counts.LostReported {
		return 0, nil
	}
	load, err := workload.New(ctx, workload.Options{
		Storm: cell.Workload == vocab.Storm,
		Count: 1, Producers: len(r.cpus), CPUs: r.cpus, UIDs: []uint32{0}, FirstToken: nextTokens(),
	})
	if err != nil {
		return 0, fmt.Errorf("start sentinels: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	// A batch may fill the ring again, so it is read only after the batch: each ring then
	// has the record of the losses, and after it the events that fitted.
	_, err = r.load(twin, load, nil)
	if err := errors.Join(err, reader.Flush()); err != nil {
		return 0, err
	}
	var sample transport.Sample
	begun := map[int]bool{} // CPUs whose first event was read
	for {
		switch err := reader.Read(&sample); {
		case errors.Is(err, transport.ErrFlushed):
			return tail, nil
		case err != nil:
			return 0, fmt.Errorf("read sentinels: %w", err)
		case sample.Lost == 0:
			begun[sample.CPU] = true
		case !begun[sample.CPU]:
			tail += sample.Lost
		}
	}
}
