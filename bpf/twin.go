// SPDX-License-Identifier: MIT

package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Options of [Load].
type Options struct {
	Transport vocab.Transport
	// Attach must name a point; resolve [vocab.AttachAuto] first.
	Attach vocab.Attach
	// RingBytes is the size of a ring: a power of two and a multiple of the page size. 0
	// means 256 KiB. The perf buffer's size is given to its reader instead.
	RingBytes int
	// Shards is how many rings a sharded transport has.
	Shards vocab.Shards
	// Stage is when a batched transport sends what waits.
	Stage vocab.Stage
	// Workload is what causes events. Default [vocab.Execve].
	Workload vocab.Workload
	// EventBytes is the size of an event as passed to the output call. For execve it is
	// 64 by default and at least; for a storm at least 8.
	EventBytes int
	// Batch is how many events one call of a storm makes. Default 1.
	Batch int
	// Wakeup selects the wakeup flag of the ring buffer's output call. WakeupBytes is the
	// number of waiting bytes from which [WakeupBatch] forces a wakeup.
	Wakeup      Wakeup
	WakeupBytes int
	// Bare means that the events of a storm hold nothing, and that only their number is
	// known.
	Bare bool
	// Sizes is the distribution of the sizes of a storm's events; EventBytes is then the
	// largest.
	Sizes vocab.Sizes
	// ExtraWork is the number of extra loop turns that the program executes for each
	// event.
	ExtraWork int
	// Mark is the first eight bytes of argv[1] of the workload's programs, in the byte
	// order of the host. Other programs are counted as foreign. Its lower half is the
	// upper half of the argument of a storm's calls.
	Mark uint64
	// AllExecs sends every execve on the system, not only those of a workload.
	AllExecs bool
}

// Wakeup is a value of wakeup in twin.bpf.c.
type Wakeup uint32

// Values of the wakeup tunable.
const (
	WakeupAdaptive Wakeup = iota // the kernel decides
	WakeupEvery                  // BPF_RB_FORCE_WAKEUP
	WakeupBatch                  // BPF_RB_FORCE_WAKEUP once enough bytes wait, else BPF_RB_NO_WAKEUP
	WakeupNever                  // BPF_RB_NO_WAKEUP
)

// Twin is one loaded program with its maps. Close it after use.
type Twin struct {
	opts       Options
	collection *ebpf.Collection
	program    *ebpf.Program
	rings      []*ebpf.Map // of a sharded transport
	attached   io.Closer
}

// object is a copy of what the object file of a transport holds.
func object(transport vocab.Transport) (*ebpf.CollectionSpec, error) {
	parse := objects[transport]
	switch {
	case !transport.Known():
		return nil, fmt.Errorf("transport %q: want one of %s", transport, vocab.Join(vocab.Transports()))
	case parse == nil:
		return nil, fmt.Errorf("transport %s: no object for %s", transport, runtime.GOARCH)
	}
	cs, err := parse()
	if err != nil {
		return nil, err
	}
	return cs.Copy(), nil
}

// spec returns the collection of one transport with the one program.
func spec(opts *Options) (*ebpf.CollectionSpec, *ebpf.ProgramSpec, error) {
	cs, err := object(opts.Transport)
	if err != nil {
		return nil, nil, err
	}
	name, err := programName(opts)
	if err != nil {
		return nil, nil, err
	}
	return cs, only(cs, name, opts.Attach, opts.Workload), nil
}

// only leaves one program in the collection.
func only(cs *ebpf.CollectionSpec, name string, attach vocab.Attach, workload vocab.Workload) *ebpf.ProgramSpec {
	program := cs.Programs[name]
	if attach == vocab.AttachFentry {
		program.AttachTo = function(workload)
	}
	programs := map[string]*ebpf.ProgramSpec{name: program}
	if flush := cs.Programs[flushProgram]; flush != nil {
		programs[flushProgram] = flush
	}
	cs.Programs = programs
	return program
}

// Load verifies and loads one twin. It needs CAP_BPF and CAP_PERFMON, or root.
//
// The error is a [*ebpf.VerifierError] where the verifier refused the program,
// and wraps [ErrUnsupported] where the kernel lacks what the twin needs. A [*LockdownError]
// and a [*MemlockError] say what made the kernel refuse.
func Load(opts Options) (*Twin, error) {
	opts.Workload = cmp.Or(opts.Workload, vocab.Execve)
	opts.EventBytes = cmp.Or(opts.EventBytes, vocab.EventBytes)
	opts.Batch = cmp.Or(opts.Batch, 1)
	if least := opts.Workload.LeastBytes(); opts.EventBytes < least {
		return nil, fmt.Errorf("event of %d bytes: want at least %d", opts.EventBytes, least)
	}
	if stages := opts.Transport.Spec().Family.Stages; stages && opts.EventBytes > vocab.StageBytes {
		return nil, fmt.Errorf("event of %d bytes: want at most the %d in which events of %s wait", opts.EventBytes, vocab.StageBytes, opts.Transport)
	}
	cs, program, err := spec(&opts)
	if err != nil {
		return nil, err
	}
	raiseMemlock()
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count possible CPUs: %w", err)
	}
	if err := supported(opts.Transport); err != nil {
		return nil, fmt.Errorf("load %s twin: %w", opts.Transport, err)
	}
	sizeMaps(cs, &opts, cpus)
	var errs []error
	set := func(name string, value any) {
		// An object lacks the tunables that its transport does not use.
		if variable := cs.Variables[name]; variable != nil {
			errs = append(errs, variable.Set(value))
		}
	}
	set("event_bytes", uint32(opts.EventBytes))
	set("workload_mark", opts.Mark)
	set("only_workload", !opts.AllExecs)
	set("batch", uint32(opts.Batch))
	set("wakeup", uint32(opts.Wakeup))
	set("wakeup_bytes", uint64(opts.WakeupBytes))
	set("extra_work", uint32(opts.ExtraWork))
	if table := opts.Sizes.Table(); table != nil {
		var sizes [vocab.SizeClasses]uint32
		for i, n := range table {
			sizes[i] = uint32(n)
		}
		set("event_sizes", sizes)
	}
	set("shards", uint32(opts.Shards.Rings(cpus)))
	set("shard_cpus", uint32(opts.Shards.Each()))
	set("array_bytes", uint32(opts.RingBytes))
	events, bytes, ms := opts.Stage.For(opts.EventBytes, opts.RingBytes).Limits()
	set("stage_events", uint32(cmp.Or(events, math.MaxInt32)))
	set("stage_bytes", uint32(cmp.Or(bytes, vocab.StageBytes)))
	if ms > 0 {
		set("stage_ns", uint64(ms)*1e6)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set constants: %w", err)
	}
	collection, err := newCollection(cs)
	if err != nil {
		return nil, fmt.Errorf("load %s twin: %w", opts.Transport, refusal(err))
	}
	t := &Twin{opts: opts, collection: collection, program: collection.Programs[program.Name]}
	if err := t.makeShards(cs.Maps["events"]); err != nil {
		return nil, errors.Join(fmt.Errorf("load %s twin: %w", opts.Transport, err), t.Close())
	}
	return t, nil
}

func newCollection(cs *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	collection, err := ebpf.NewCollection(cs)
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return collection, err
}

// LoadEmpty loads an empty program for a storm's system call: the control for the cost of
// a twin. It has neither events nor counters.
func LoadEmpty(attach vocab.Attach) (*Twin, error) { return LoadEmptyFor(attach, vocab.Storm) }

// LoadEmptyFor is [LoadEmpty] for the system call of a workload.
func LoadEmptyFor(attach vocab.Attach, workload vocab.Workload) (*Twin, error) {
	cs, err := object(vocab.Perf)
	if err != nil {
		return nil, err
	}
	suffix, err := programSuffix(attach)
	if err != nil {
		return nil, err
	}
	program := only(cs, "empty_"+suffix, attach, workload)
	cs.Maps, cs.Variables = nil, nil
	collection, err := newCollection(cs)
	if err != nil {
		return nil, fmt.Errorf("load empty program: %w", err)
	}
	return &Twin{opts: Options{Attach: attach, Workload: workload}, collection: collection, program: collection.Programs[program.Name]}, nil
}

// raiseMemlock removes this process's RLIMIT_MEMLOCK, against which maps count before
// 5.11. An error is ignored: loading then fails.
//
// cilium's rlimit package finds out first whether the kernel is that old, but
// at program start, when a guest's init has no /proc yet.
func raiseMemlock() {
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}

// Close detaches the program and frees it with its maps.
func (t *Twin) Close() error {
	err := t.Detach()
	t.collection.Close()
	for _, ring := range t.rings {
		err = errors.Join(err, ring.Close())
	}
	return err
}

// Attach makes the program run on every call of the workload from now on.
func (t *Twin) Attach() error {
	attached, err := attach(t.opts.Attach, t.program, t.opts.Workload)
	if err != nil {
		return fmt.Errorf("attach %s twin by %s: %w", t.opts.Transport, t.opts.Attach, refusal(err))
	}
	t.attached = attached
	return nil
}

// Detach stops the program. Its maps stay readable. It may be called twice.
func (t *Twin) Detach() error {
	if t.attached == nil {
		return nil
	}
	err := t.attached.Close()
	t.attached = nil
	return err
}

// Config is the map of the messages. It is closed with the twin.
func (t *Twin) Config() *Config { return &Config{t.collection.Maps["config"]} }

// SetMessage changes what the running program sends for a uid from now on.
func (t *Twin) SetMessage(uid uint32, text string) error { return t.Config().SetMessage(uid, text) }

// Counters returns what each possible CPU counted so far, index by CPU.
func (t *Twin) Counters() ([]Counters, error) {
	var perCPU []Counters
	if err := t.collection.Maps["counters"].Lookup(uint32(0), &perCPU); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return perCPU, nil
}

// Stats is what the kernel counted of the program.
type Stats struct {
	// RunTime is the time spent in the program, summed over CPUs. It counts
	// only while run-time statistics are enabled, see [EnableStats].
	RunTime time.Duration
	// Runs is the number of runs, likewise.
	Runs uint64
	// Misses is the number of runs that the kernel skipped because a BPF
	// program was already running on the CPU. Older kernels do not count all of
	// them: tracepoints and kprobes only since 6.7, trampolines since 5.12.
	Misses uint64
}

// Stats reads the kernel's counts.
func (t *Twin) Stats() (Stats, error) {
	stats, err := t.program.Stats()
	if err != nil {
		return Stats{}, fmt.Errorf("read program statistics: %w", err)
	}
	return Stats{RunTime: stats.Runtime, Runs: stats.RunCount, Misses: stats.RecursionMisses}, nil
}

// Programs are the functions of machine code that the kernel made of the program. None: it
// does not say.
func (t *Twin) Programs() []profile.Program {
	info, err := t.program.Info()
	if err != nil {
		return nil
	}
	addresses, _ := info.JitedKsymAddrs()
	lengths, _ := info.JitedFuncLens()
	funcs, err := info.FuncInfos() // as many, in the same order
	if err != nil {
		funcs = nil // a kernel without BTF: then all have the program's name
	}
	var all []profile.Program
	for i := range min(len(addresses), len(lengths)) {
		name := info.Name
		if i < len(funcs) {
			name = funcs[i].Func.Name
		}
		all = append(all, profile.Program{Name: "bpf_prog_" + name, Address: uint64(addresses[i]), Bytes: uint64(lengths[i])})
	}
	return all
}

// EnableStats makes the kernel count the time and the runs of all programs
// until the result is closed. It costs every program two clock readings a run.
func EnableStats() (io.Closer, error) {
	closer, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return nil, fmt.Errorf("enable program statistics: %w", err)
	}
	return closer, nil
}
