package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
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

// placement puts the reader on the last CPU and the producers on the others.
func (r *Runner) placement() (producers []int, consumer int) {
	last := len(r.cpus) - 1
	return r.cpus[:max(last, 1)], r.cpus[last]
}

// Run measures one trial of the cell. Of the record it fills what it measured:
// counts, latency, cost, rate and memory. The context ends the workload.
func (r *Runner) Run(ctx context.Context, cell record.Cell) (_ *record.Trial, err error) {
	twin, reader, err := open(cell)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close(), twin.Close()) }()

	producers, consumerCPU := r.placement()
	load, err := workload.NewExecve(ctx, workload.Options{
		Count:      cell.Events / cell.Producers,
		Producers:  cell.Producers,
		RateHz:     cell.RateHz,
		CPUs:       producers,
		FirstToken: nextTokens(),
	})
	if err != nil {
		return nil, fmt.Errorf("start workload: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()

	kind := bpf.Transport(cell.Transport)
	sampleBytes := transport.SampleBytes(kind, cell.PayloadBytes)
	c := newConsumer(reader, sampleBytes, cell.Events+len(r.cpus), consumerCPU)
	out := &record.Trial{}

	// Collect what set-up left behind, then not again before the trial is over.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	stall := time.Duration(cell.ReaderStallMS) * time.Millisecond
	c.start(stall)
	begun := time.Now()
	truth, err := r.load(twin, load)
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
	counts, err := tally(twin, reader, c, cell, truth)
	if err != nil {
		return nil, err
	}
	counts.Drained = counts.Delivered - uint64(beforeFlush)
	if out.Latency, err = c.latencies(); err != nil {
		return nil, err
	}
	if out.Cost, err = cost(twin, c, counts); err != nil {
		return nil, err
	}
	out.Counts = counts
	out.Rate = rate(cell, counts, truth)
	if out.Memory, err = memory(reader); err != nil {
		return nil, err
	}
	if counts.LostTail, err = r.lostTail(ctx, twin, reader, c, counts); err != nil {
		return nil, err
	}
	return out, nil
}

// open loads the cell's twin and opens its reader.
func open(cell record.Cell) (_ *bpf.Twin, _ transport.Reader, err error) {
	twin, err := bpf.Load(bpf.Options{
		Transport:    bpf.Transport(cell.Transport),
		Attach:       bpf.Attach(cell.Attach),
		RingBytes:    cell.RingBytes,
		PayloadBytes: cell.PayloadBytes - bpf.EventBytes,
		Mark:         workload.Mark(),
	})
	if err != nil {
		return nil, nil, err
	}
	for uid, text := range Messages() {
		if err := twin.SetMessage(uid, text); err != nil {
			return nil, nil, errors.Join(err, twin.Close())
		}
	}
	reader, err := transport.Open(bpf.Transport(cell.Transport), twin.Events(), cell.RingBytes)
	if err != nil {
		return nil, nil, errors.Join(err, twin.Close())
	}
	return twin, reader, nil
}

func nextTokens() uint64 {
	return trials.Add(1) * tokensPerTrial
}

// load runs the workload while the twin is attached.
func (r *Runner) load(twin *bpf.Twin, load *workload.Execve) (workload.Truth, error) {
	if err := twin.Attach(); err != nil {
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

// lostTail causes one more event on every CPU and returns how many lost events
// the kernel reports in front of them: a PERF_RECORD_LOST is only ever written
// before the next record that fits.
// __perf_output_begin() in https://elixir.bootlin.com/linux/v6.12/source/kernel/events/ring_buffer.c
func (r *Runner) lostTail(ctx context.Context, twin *bpf.Twin, reader transport.Reader, c *consumer, counts *record.Counts) (uint64, error) {
	if counts.Failed[ErrnoName(uint64(unix.ENOSPC))] == counts.LostReported {
		return 0, nil
	}
	load, err := workload.NewExecve(ctx, workload.Options{
		Count: 1, Producers: len(r.cpus), CPUs: r.cpus, UIDs: []uint32{0}, FirstToken: nextTokens(),
	})
	if err != nil {
		return 0, fmt.Errorf("start sentinels: %w", err)
	}
	defer load.Close()
	before := c.lost
	c.start(0)
	_, err = r.load(twin, load)
	err = errors.Join(err, reader.Flush())
	if err != nil {
		return 0, errors.Join(err, reader.Close(), c.wait())
	}
	err = c.wait()
	return c.lost - before, err
}

func cost(twin *bpf.Twin, c *consumer, counts *record.Counts) (*record.Cost, error) {
	stats, err := twin.Stats()
	if err != nil {
		return nil, err
	}
	cost := &record.Cost{
		Wakeups:         c.voluntary,
		ContextSwitches: c.voluntary + c.forced,
	}
	cost.ProducerNSPerEvent = ratio(float64(stats.RunTime), float64(counts.Attempts))
	cost.ConsumerCPUNSPerEvent = ratio(float64(c.cpuNS), float64(counts.Delivered))
	cost.EventsPerWakeup = ratio(float64(counts.Delivered), float64(c.voluntary))
	return cost, nil
}

func rate(cell record.Cell, counts *record.Counts, truth workload.Truth) *record.Rate {
	duration := truth.EndNS - truth.BeginNS
	return &record.Rate{
		OfferedHz:   cell.RateHz,
		AchievedHz:  ratio(float64(counts.Started)*1e9, float64(duration)),
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
