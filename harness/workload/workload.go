// SPDX-License-Identifier: MIT

package workload

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loadELF is the program, for the only supported architecture.
//
//go:embed load_amd64.elf
var loadELF []byte

var errArch = errors.New("no workload for " + runtime.GOARCH)

// Digest is the SHA-256 of the program that is the load.
func Digest() [sha256.Size]byte { return sha256.Sum256(loadELF) }

// Command is what bpf_get_current_comm returns at the execve of a started
// program: the name of the producer that forked it.
const Command = "ringtwin-load"

// readyTimeout is how long a producer may take until it waits for its start;
// it is a 2 KiB program, but the machine may be emulated and busy.
const readyTimeout = 2 * time.Minute

// Options of a workload.
type Options struct {
	// Storm makes calls of getpgid instead of starting programs.
	Storm bool
	// Count is the number of programs that each producer starts, or of calls.
	Count int
	// Producers is the number of producer processes. Default 1.
	Producers int
	// RateHz is programs, or calls, a second of all producers together; 0 is as
	// fast as possible.
	RateHz float64
	// Flood is how many calls one more producer makes as fast as it can, on the first of
	// the CPUs. Its tokens come after those of the others.
	Flood int
	// UIDs are the users that the programs run as, in turn; at most 8.
	// Default 0 and 501.
	UIDs []uint32
	// CPUs pins producer i to CPUs[i % len(CPUs)]; nil leaves them free.
	CPUs []int
	// Turns gives the CPU's turn to the next one before each call of a storm, where an
	// emulator runs CPUs in turn: producers then make one call each. It excludes RateHz.
	Turns bool
	// GiveWay lets other ready threads run before the producers (SCHED_IDLE).
	GiveWay bool
	// Lead is how long the producers sleep after their release, so that the releasing
	// process can go to sleep.
	Lead time.Duration
	// FirstToken is the number that the first token encodes, below 2^48.
	// Tokens of one boot should not repeat, so give each trial its own range. Of
	// a storm only the lower 32 bits count.
	FirstToken uint64
}

// Start is one program that was really started.
type Start struct {
	Token  uint64
	TimeNS uint64 // CLOCK_MONOTONIC just before the fork
	// IntendedNS is when that should have been; 0 without a rate.
	IntendedNS uint64
	PID        uint32
	UID        uint32
}

// Truth is the record of what a workload did.
type Truth struct {
	Starts  []Start // programs; of a storm none
	Calls   int     // of a storm
	BeginNS uint64  // CLOCK_MONOTONIC at the first start or call
	EndNS   uint64  // and when the last program had been reaped, or call made
	// CPUNS is what all producers used between the two, children not included.
	CPUNS uint64
	// StretchNS is the CPU time of each stretch of a storm, in ns, of each producer. None
	// where there are fewer calls than stretches. StretchCalls is how many calls are in the
	// stretch with the same index.
	StretchNS    []int64
	StretchCalls []int
	// RunDelayNS is how long the producers together were ready to run and did not, and
	// ForcedSwitches how often they were preempted, since they were started.
	RunDelayNS, ForcedSwitches int64
	// Paces are the schedules of the producers, in the order of their tokens.
	Paces []Pace
}

// Pace is the schedule of one producer.
type Pace struct {
	BeginNS, PeriodNS uint64
}

// Due is when the i-th is intended, in ns of CLOCK_MONOTONIC: once in each period, each
// time at a different point of it. See due in load.c.
func (p Pace) Due(i int) uint64 {
	const goldenRatio = 2654435769 // 2^32 by it
	high, low := bits.Mul64(uint64(uint32(i*goldenRatio)), p.PeriodNS)
	return p.BeginNS + uint64(i)*p.PeriodNS + high<<32 + low>>32
}

// Triggers is how many events, or batches of them, the workload asked for.
func (t *Truth) Triggers() int { return len(t.Starts) + t.Calls }

// IntendedCall is when the call of a storm that has this token should have been
// made; 0 where there was no such call.
func (t *Truth) IntendedCall(o Options, token uint32) uint64 {
	i := int(token - uint32(o.FirstToken))
	if i >= t.Calls || o.Count == 0 || i/o.Count >= len(t.Paces) || i >= o.Count*max(o.Producers, 1) {
		return 0
	}
	return t.Paces[i/o.Count].Due(i % o.Count)
}

// Call makes one call of a storm, in the calling thread.
func Call(o Options, call int) {
	argument := uintptr(Mark())<<32 | uintptr(uint32(o.FirstToken)+uint32(call))
	_, _, _ = unix.RawSyscall(unix.SYS_GETPGID, argument, 0, 0)
}

// Workload is a workload whose producers are ready to start.
type Workload struct {
	producers []*producer
}

type producer struct {
	cmd        *exec.Cmd
	table      *shared
	runDelayNS int64 // valid when it has ended
}

// Tokens returns the number of tokens, from FirstToken on, that the options use.
func (o Options) Tokens() int { return o.Count*max(o.Producers, 1) + o.Flood }

// New starts the producers, which then wait for [Workload.Run]. Close it
// after use; cancelling ctx kills the producers.
func New(ctx context.Context, opts Options) (_ *Workload, err error) {
	if runtime.GOARCH != "amd64" {
		return nil, errArch
	}
	if opts.Producers == 0 {
		opts.Producers = 1
	}
	if opts.UIDs == nil {
		opts.UIDs = []uint32{0, 501}
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	image, err := memfd(Command)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if _, err := image.Write(loadELF); err != nil {
		return nil, fmt.Errorf("write workload program: %w", err)
	}
	// A memory file that is still open for writing cannot be executed.
	readOnly, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", image.Fd()))
	if err != nil {
		return nil, fmt.Errorf("reopen workload program: %w", err)
	}
	defer readOnly.Close()
	if err := image.Close(); err != nil {
		return nil, fmt.Errorf("close workload program: %w", err)
	}
	w := &Workload{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	all := opts.Producers
	if opts.Flood > 0 {
		all++
	}
	for i := range all {
		p, err := newProducer(ctx, opts, i, readOnly)
		if err != nil {
			return nil, fmt.Errorf("start producer %d: %w", i, err)
		}
		w.producers = append(w.producers, p)
	}
	for i, p := range w.producers {
		if !p.table.awaitReady(readyTimeout) {
			return nil, fmt.Errorf("producer %d: not ready after %s", i, readyTimeout)
		}
	}
	return w, nil
}

func (o Options) check() error {
	switch {
	case o.Count < 1:
		return fmt.Errorf("workload of %d triggers: want at least 1", o.Count)
	case o.Producers < 1:
		return fmt.Errorf("%d producers: want at least 1", o.Producers)
	case o.Lead < 0:
		return fmt.Errorf("a lead of %s: want 0 or more", o.Lead)
	case o.Flood < 0 || o.Flood > 0 && !o.Storm:
		return fmt.Errorf("a flood of %d calls: only a storm floods", o.Flood)
	case o.Turns && (o.RateHz > 0 || !o.Storm):
		return errors.New("turns: only of a storm at full rate")
	case o.RateHz < 0:
		return fmt.Errorf("rate of %g Hz: want 0 or more", o.RateHz)
	case len(o.UIDs) == 0 || len(o.UIDs) > maxUIDs:
		return fmt.Errorf("%d uids: want 1 to %d", len(o.UIDs), maxUIDs)
	case o.FirstToken+uint64(o.Tokens()) >= 1<<48:
		return errors.New("tokens beyond 2^48")
	}
	return nil
}

func newProducer(ctx context.Context, opts Options, index int, image *os.File) (*producer, error) {
	starts, count := opts.Count, opts.Count
	cpu := index
	if floods := index == opts.Producers; floods {
		count, opts.RateHz, cpu = opts.Flood, 0, 0
	}
	if opts.Storm {
		starts = 0
	}
	table, err := newShared(starts)
	if err != nil {
		return nil, err
	}
	table.Count = uint64(count)
	if opts.Storm {
		table.Storm = 1
	}
	table.Mark = Mark()
	table.LeadNS = uint64(opts.Lead)
	table.FirstToken = opts.FirstToken + uint64(index*opts.Count)
	table.UIDs = uint32(copy(table.UID[:], opts.UIDs))
	if opts.RateHz > 0 {
		table.PeriodNS = uint64(1e9 * float64(opts.Producers) / opts.RateHz)
	} else if opts.Turns {
		table.PeriodNS = turns
	}
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", image.Fd()))
	cmd.Args = []string{Command}
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{image, table.file} // descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, table.Close())
	}
	p := &producer{cmd: cmd, table: table}
	if len(opts.CPUs) > 0 {
		var set unix.CPUSet
		cpu = opts.CPUs[cpu%len(opts.CPUs)]
		set.Set(cpu)
		if err := unix.SchedSetaffinity(cmd.Process.Pid, &set); err != nil {
			return nil, errors.Join(fmt.Errorf("pin to CPU %d: %w", cpu, err), p.close())
		}
	}
	if opts.GiveWay {
		if err := unix.SchedSetAttr(cmd.Process.Pid, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("make a producer give way: %w", err), p.close())
		}
	}
	return p, nil
}

// Run lets all producers start at once, waits until they are done and returns
// what they did. It is called once.
//
// A program that could not be started, or did not exit with 0, is an error, because the
// load would not be the requested one. The truth is returned too.
func (w *Workload) Run() (Truth, error) {
	for _, p := range w.producers {
		p.table.release()
	}
	errs := make([]error, len(w.producers))
	var wg sync.WaitGroup
	for i, p := range w.producers {
		wg.Go(func() { errs[i] = p.wait() })
	}
	wg.Wait()
	var truth Truth
	for i, p := range w.producers {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("producer %d: %w", i, errs[i])
		}
		errs[i] = errors.Join(errs[i], p.collect(&truth))
	}
	return truth, errors.Join(errs...)
}

// Done is the number of programs started and reaped so far, of all producers.
// It may be called while Run runs.
func (w *Workload) Done() int {
	n := 0
	for _, p := range w.producers {
		n += int(p.table.done())
	}
	return n
}

// collect appends the results of the producer.
func (p *producer) collect(truth *Truth) error {
	pace := Pace{p.table.BeginNS, p.table.PeriodNS}
	if pace.PeriodNS == turns {
		pace.PeriodNS = 0
	}
	truth.Paces = append(truth.Paces, pace)
	truth.CPUNS += p.table.CPUNS
	truth.RunDelayNS += p.runDelayNS
	if usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		truth.ForcedSwitches += usage.Nivcsw
	}
	if p.table.Storm != 0 {
		truth.Calls += int(p.table.done())
		all, calls := p.table.stretchNS()
		truth.StretchNS = append(truth.StretchNS, all...)
		truth.StretchCalls = append(truth.StretchCalls, slices.Repeat([]int{calls}, len(all))...)
	}
	var failed int
	var first error
	for i, s := range p.table.starts[:min(int(p.table.done()), len(p.table.starts))] {
		status := unix.WaitStatus(s.Status)
		if s.Status != 0 {
			failed++
			if first == nil {
				first = startError(s.Status)
			}
			// Without an execve call a twin sees nothing.
			if s.Status < 0 || status.Exited() && status.ExitStatus() == 126 {
				continue
			}
		}
		start := Start{Token: s.Token, TimeNS: s.TimeNS, PID: s.PID, UID: s.UID}
		if pace.PeriodNS > 0 {
			start.IntendedNS = pace.Due(i)
		}
		truth.Starts = append(truth.Starts, start)
	}
	if truth.BeginNS == 0 || p.table.BeginNS < truth.BeginNS {
		truth.BeginNS = p.table.BeginNS
	}
	truth.EndNS = max(truth.EndNS, p.table.EndNS)
	if failed > 0 {
		return fmt.Errorf("%d of %d programs failed, the first: %w", failed, p.table.Count, first)
	}
	return nil
}

func startError(raw int32) error {
	status := unix.WaitStatus(raw)
	switch {
	case raw < 0:
		return fmt.Errorf("fork: %w", unix.Errno(-raw))
	case status.Signaled():
		return fmt.Errorf("killed by %s", status.Signal())
	case status.ExitStatus() == 126:
		return errors.New("set uid: not permitted")
	case status.ExitStatus() == 127:
		return errors.New("execve failed")
	}
	return fmt.Errorf("exit status %d", status.ExitStatus())
}

// Close ends producers that still run and frees what they used.
func (w *Workload) Close() error {
	var errs []error
	for _, p := range w.producers {
		errs = append(errs, p.close())
	}
	w.producers = nil
	return errors.Join(errs...)
}

func (p *producer) close() error {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return p.table.Close()
}
