// SPDX-License-Identifier: MIT

package trace

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"
	"unsafe"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Cost is what a call of execve takes, in nanoseconds; in virtual time, in instructions.
// Its path is empty, so the kernel refuses it at once: the time of a program start varies
// by more than a hook costs.
type Cost struct {
	NoneNS   float64 `json:"none_ns"`   // with no program attached
	EmptyNS  float64 `json:"empty_ns"`  // with one that does nothing
	TracerNS float64 `json:"tracer_ns"` // with the tracer over the ring buffer, without a reader
}

// A round is short, so that some have no tick of the timer.
const (
	costRounds = 15
	costCalls  = 200
)

// costRingBytes holds an event of each call.
const costRingBytes = 1 << 20

// MeasureCost attaches programs as asked, and calls execve.
func MeasureCost(attach vocab.Attach) (*Cost, error) {
	none, err := leastExecve()
	if err != nil {
		return nil, err
	}
	empty, err := bpf.LoadEmptyFor(attach, vocab.Execve)
	if err != nil {
		return nil, err
	}
	emptyNS, err := attached(empty)
	if err != nil {
		return nil, err
	}
	tracer, err := bpf.Load(bpf.Options{Transport: vocab.Ringbuf, Attach: attach, RingBytes: costRingBytes, AllExecs: true})
	if err != nil {
		return nil, err
	}
	tracerNS, err := attached(tracer)
	return &Cost{none, emptyNS, tracerNS}, err
}

// attached measures with the program, and closes it.
func attached(twin *bpf.Twin) (ns float64, err error) {
	defer func() { err = errors.Join(err, twin.Close()) }()
	if err := twin.Attach(); err != nil {
		return 0, err
	}
	return leastExecve()
}

// leastExecve is how long a call takes in the fastest round, in nanoseconds.
func leastExecve() (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var path byte
	argv := [2]*byte{&path}
	least := time.Duration(math.MaxInt64)
	for range costRounds {
		begun := time.Now()
		for range costCalls {
			_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(&path)), uintptr(unsafe.Pointer(&argv)), uintptr(unsafe.Pointer(&argv[1])))
			if errno != unix.ENOENT {
				return 0, fmt.Errorf("execve without a path: %w", errno)
			}
		}
		least = min(least, time.Since(begun))
	}
	return float64(least.Nanoseconds()) / costCalls, nil
}
