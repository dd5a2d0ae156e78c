package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
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
}

// trials numbers the trials of this process, from 1.
var trials atomic.Uint64

// NewRunner switches the kernel's program statistics on. Close it after use.
func NewRunner() (*Runner, error) {
	cpus, err := CPUs()
	if err != nil {
		return nil, err
	}
	stats, err := bpf.EnableStats()
	if err != nil {
		return nil, err
	}
	return &Runner{cpus: cpus, stats: stats}, nil
}

// Close switches the statistics off.
func (r *Runner) Close() error { return r.stats.Close() }

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

// placement puts the reader on the last CPU, and the producers where the cell
// wants them.
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

// Run measures one trial of the cell. Of the record it fills what it measured:
// counts, latency, cost, rate and memory. The context ends the workload.
func (r *Runner) Run(ctx context.Context, cell record.Cell) (_ *record.Trial, err error) {
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
	options := loadOptions(cell, producers)

	kind := bpf.Transport(cell.Transport)
	c := newConsumer(reader, consumerOptions{
		workload:    bpf.Workload(cell.Workload),
		eventBytes:  cell.PayloadBytes,
		sampleBytes: transport.SampleBytes(kind, cell.PayloadBytes),
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
	// Collect what set-up left behind, then not again before the trial is over.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	stall := time.Duration(cell.ReaderStallMS) * time.Millisecond
	begun := time.Now()
	truth, err := r.load(twin, load, func() { c.start(stall) })
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

// room is how many events may arrive: with a fault some of them twice.
func room(cell record.Cell) int {
	if cell.Fault != "" {
		return 2 * cell.Events
	}
	return cell.Events
}

// load is what causes the events of a trial.
type load interface {
	Run() (workload.Truth, error)
	Close() error
}

// newLoad starts the producers of the cell, or makes the reader the producer.
func newLoad(ctx context.Context, cell record.Cell, options workload.Options, c *consumer) (load, error) {
	if cell.Placement == plan.BackToBack {
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

// stuck is how long a reader that is the producer too may read nothing: nobody
// would wake it any more.
const stuck = time.Second

// Run waits until the reader has read all that it caused.
func (p *pulled) Run() (workload.Truth, error) {
	last, since := int64(-1), time.Now()
	for all := int64(p.c.calls * p.c.batch); p.c.arrived.Load() < all && p.ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if now := p.c.arrived.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stuck {
			break
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

// loadOptions are those of the cell's workload.
func loadOptions(cell record.Cell, cpus []int) workload.Options {
	return workload.Options{
		Storm:      cell.Workload == string(bpf.Storm),
		Count:      cell.Events / cell.Batch / cell.Producers,
		Producers:  cell.Producers,
		RateHz:     cell.RateHz / float64(cell.Batch),
		CPUs:       cpus,
		FirstToken: nextTokens(),
	}
}

// mostControls is how many calls of the control are enough to know what one takes.
const mostControls = 20_000

// control returns the CPU time, in ns, that a trigger takes the producers with an
// empty program attached. Of a storm that is paced, and of an execve, most of it
// would be something else: 0.
func (r *Runner) control(ctx context.Context, cell record.Cell) (perTrigger callCost, err error) {
	if cell.Workload != string(bpf.Storm) || cell.RateHz != 0 || cell.Placement == plan.BackToBack {
		return callCost{}, nil
	}
	empty, err := bpf.LoadEmpty(bpf.Attach(cell.Attach))
	if err != nil {
		return callCost{}, err
	}
	defer func() { err = errors.Join(err, empty.Close()) }()
	producers, _ := r.placement(&cell)
	options := loadOptions(cell, producers)
	options.Count = min(options.Count, mostControls)
	load, err := workload.New(ctx, options)
	if err != nil {
		return callCost{}, fmt.Errorf("start control: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	truth, err := r.load(empty, load, nil)
	return costOfCall(&truth), err
}

// callCost is the CPU time of a producer for each trigger, in ns.
type callCost struct {
	mean   float64
	median float64 // of the stretches of a storm, 0 where there are none
}

func costOfCall(truth *workload.Truth) callCost {
	c := callCost{mean: ratio(float64(truth.CPUNS), float64(truth.Triggers()))}
	if n := len(truth.CallNS); n > 0 {
		sorted := slices.Sorted(slices.Values(truth.CallNS))
		c.median = (sorted[(n-1)/2] + sorted[n/2]) / 2
	}
	return c
}

// open loads the cell's twin and opens its reader.
func open(cell record.Cell) (_ *bpf.Twin, _ transport.Reader, err error) {
	kind := bpf.Transport(cell.Transport)
	policy, err := transport.ParsePolicy(kind, cell.Policy)
	if err != nil {
		return nil, nil, err
	}
	fault, err := transport.ParseFault(cell.Fault)
	if err != nil {
		return nil, nil, err
	}
	wakeup, wakeupBytes := policy.Wakeup(kind, cell.PayloadBytes)
	twin, err := bpf.Load(bpf.Options{
		Transport:   kind,
		Attach:      bpf.Attach(cell.Attach),
		Workload:    bpf.Workload(cell.Workload),
		RingBytes:   cell.RingBytes,
		EventBytes:  cell.PayloadBytes,
		Batch:       cell.Batch,
		Wakeup:      wakeup,
		WakeupBytes: wakeupBytes,
		ExtraWork:   fault.ExtraWork(),
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
	return twin, fault.Inject(reader), nil
}

func nextTokens() uint64 {
	return trials.Add(1) * tokensPerTrial
}

// load runs the workload while the twin is attached; ready, if there is one, once
// it is.
func (r *Runner) load(twin *bpf.Twin, load load, ready func()) (workload.Truth, error) {
	err := twin.Attach()
	if ready != nil {
		ready() // in any case: who waits for the reader must find one
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

// settle gives the reader the time to read what it is told of by itself. What
// then is left in the rings only a flush brings out.
func settle(twin *bpf.Twin, c *consumer, from time.Time) error {
	time.Sleep(time.Until(from))
	counters, err := twin.Counters()
	if err != nil {
		return err
	}
	var submitted int64
	for _, cpu := range counters {
		submitted += int64(cpu.Submitted)
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
		Storm: cell.Workload == string(bpf.Storm),
		Count: 1, Producers: len(r.cpus), CPUs: r.cpus, UIDs: []uint32{0}, FirstToken: nextTokens(),
	})
	if err != nil {
		return 0, fmt.Errorf("start sentinels: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()
	// A batch may fill the ring once more, so nobody reads before it is over: in
	// each ring are then the lost, and behind them what fitted.
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

func cost(twin *bpf.Twin, c *consumer, counts *record.Counts, truth workload.Truth, control callCost) (*record.Cost, error) {
	stats, err := twin.Stats()
	if err != nil {
		return nil, err
	}
	cost := &record.Cost{
		ControlNSPerTrigger: control.mean,
		Wakeups:             c.voluntary,
		ContextSwitches:     c.voluntary + c.forced,
	}
	if control.mean > 0 {
		call, tried := costOfCall(&truth), ratio(float64(counts.Attempts), float64(truth.Triggers()))
		cost.ProducerCPUNSPerEvent = ratio(call.mean-control.mean, tried)
		if call.median > 0 && control.median > 0 {
			cost.ProducerCPUMedianNSPerEvent = ratio(call.median-control.median, tried)
		}
	}
	cost.ProducerNSPerEvent = ratio(float64(stats.RunTime), float64(counts.Attempts))
	cost.ConsumerCPUNSPerEvent = ratio(float64(c.cpuNS), float64(counts.Delivered))
	cost.EventsPerWakeup = ratio(float64(counts.Delivered), float64(c.voluntary))
	return cost, nil
}

// intended is the latency from when each event should have been caused, whenever
// it was: nil without a rate, or where events are too small to tell whose they are.
func intended(c *consumer, cell record.Cell, options workload.Options, truth workload.Truth, lost int64) (*record.Latency, error) {
	if cell.RateHz == 0 {
		return nil, nil
	}
	h, negative := newHistogram(), int64(0)
	programs := make(map[uint64]uint64, len(truth.Starts))
	for i := range truth.Starts {
		programs[truth.Starts[i].Token] = truth.Starts[i].IntendedNS
	}
	for i := range c.events {
		e := &c.events[i]
		at := programs[e.Token]
		if options.Storm && e.Token != 0 {
			at = truth.IntendedCall(options, uint32(e.Token))
		}
		if at != 0 {
			negative += observe(h, c.times[i]-int64(at))
		}
	}
	return latencies(h, negative, lost)
}

func rate(cell record.Cell, counts *record.Counts, truth workload.Truth) *record.Rate {
	duration := truth.EndNS - truth.BeginNS
	return &record.Rate{
		OfferedHz:   cell.RateHz,
		AchievedHz:  ratio(float64(counts.Started)*float64(cell.Batch)*1e9, float64(duration)),
		DeliveredHz: ratio(float64(counts.Delivered)*1e9, float64(duration)),
		DurationNS:  int64(duration),
	}
}

// ratio is 0 where there is nothing to divide by: JSON has no infinity.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func memory(reader transport.Reader) (*record.Memory, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return nil, fmt.Errorf("read /proc/self/statm: %q", statm)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read /proc/self/statm: %w", err)
	}
	m := reader.Memory()
	return &record.Memory{
		MapBytes:    m.MapBytes,
		LockedBytes: m.LockedBytes,
		RSSBytes:    pages * int64(os.Getpagesize()),
	}, nil
}

// ErrnoName is the name of an errno as the ledger uses it.
func ErrnoName(errno uint64) string {
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return "errno " + strconv.FormatUint(errno, 10)
}
