// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// fault is one kind of failure, and its required outcome.
type fault struct {
	name   string
	inject func(*run) error
	stages []weight
	// called are the allowed statuses of trials that it hits in a ready machine. None:
	// nothing is hit, every trial is ok.
	called []record.Status
	// early is the same for a machine that was not ready yet.
	early []record.Status
	// may: or nothing is hit, as it happens.
	may bool
	// exits are the tool's exit codes; -1 is the end by a signal.
	exits []int
	// says is part of the tool's output if it does not succeed.
	says string
	// limit is the time from injection to the first record that is not ok, or to the end
	// of the tool; earlyLimit is for a machine that was not ready. They are for an idle
	// host: see -faults.timed.
	limit, earlyLimit time.Duration
	// cutOff: the tool cannot record what it did not measure.
	cutOff bool
	// control: there is no fault, and two runs are enough.
	control bool
	// private: the run has a copy of the cache, to break.
	private bool
	prepare func(*run) error // before the tool is started
	check   func(*run) error // after it has ended
	needs   func(testing.TB)
	// hangs: the machine is made to hang, and time limits are short, for each run waits
	// for one.
	hangs bool
	env   []string
}

// Limits of machines that are made to hang: long enough on an idle host for those that
// do not.
const (
	shortBoot    = 10 * time.Second
	shortRequest = 5 * time.Second
)

const fakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

var (
	anyTime = []weight{{boot, 2}, {save, 2}, {restore, 4}, {look, 5}, {measure, 7}}
	// A guest can be told something when it runs.
	whenReady = []weight{{restore, 1}, {look, 3}, {measure, 6}}
	// What takes seconds has to begin with the machine that measures.
	slowly = []weight{{second, 1}}

	bootFailed = []record.Status{record.BootFailed}
	cancelled  = []record.Status{record.Cancelled}
)

// faults are all faults of the campaign.
var faults = []*fault{
	{
		name: "none", inject: func(*run) error { return nil }, stages: []weight{{start, 1}},
		exits: []int{0}, limit: time.Minute, control: true,
	},
	{
		name: "QEMU killed", inject: killQEMU, stages: anyTime,
		called: []record.Status{record.Lost}, early: bootFailed, exits: []int{3}, limit: 2 * time.Second,
	},
	{
		name: "QEMU stopped", inject: stopQEMU, stages: []weight{{boot, 1}, {restore, 2}, {look, 5}, {measure, 8}},
		called: []record.Status{record.Hang}, early: bootFailed, exits: []int{3}, says: "monitor",
		limit: 16 * time.Second, earlyLimit: 22 * time.Second, hangs: true,
	},
	{
		name: "guest panic", inject: guestDoes("panic"), stages: whenReady,
		called: []record.Status{record.Panic}, early: bootFailed, exits: []int{3}, says: "sysrq triggered crash", limit: 5 * time.Second,
	},
	{
		name: "guest oops that goes on", inject: oops, stages: whenReady,
		called: []record.Status{record.Splat}, early: []record.Status{record.Splat}, exits: []int{3},
		says: "BUG: kernel NULL pointer dereference", limit: 15 * time.Second,
	},
	{
		name: "guest hang, interrupts off", inject: hang, stages: []weight{{boot, 1}, {restore, 2}, {look, 5}, {measure, 8}},
		called: []record.Status{record.Hang}, early: bootFailed, exits: []int{3}, says: "does not answer sysrq",
		limit: 16 * time.Second, earlyLimit: 22 * time.Second, hangs: true,
	},
	{
		name: "guest agent killed", inject: guestDoes("exit"), stages: whenReady,
		called: []record.Status{record.Panic}, early: bootFailed, exits: []int{3}, says: "Attempted to kill init", limit: 5 * time.Second,
	},
	{
		name: "guest out of memory", inject: guestDoes("memory"), stages: slowly,
		called: []record.Status{record.Panic, record.Splat}, early: bootFailed, exits: []int{3}, says: "memory", limit: 20 * time.Second,
	},
	{
		name: "console flooded, 100 MB", inject: flood, stages: whenReady, exits: []int{0}, limit: time.Minute,
	},
	{
		name: "channel cut", inject: cut, stages: whenReady,
		called: []record.Status{record.Lost}, early: bootFailed, exits: []int{3}, says: "control channel", limit: 5 * time.Second,
	},
	{
		name: "channel: frame truncated", inject: guestDoes("cut-frame"), stages: whenReady,
		called: []record.Status{record.Lost}, early: bootFailed, exits: []int{3}, says: "not a frame", limit: 8 * time.Second,
	},
	{
		name: "channel: garbage frames", inject: guestDoes("noise"), stages: whenReady,
		called: []record.Status{record.Lost}, early: bootFailed, exits: []int{3}, says: "not a frame", limit: 5 * time.Second,
	},
	{
		name: "channel: frame of 4 GiB", inject: guestDoes("huge-frame"), stages: whenReady,
		called: []record.Status{record.Lost}, early: bootFailed, exits: []int{3}, says: "not a frame", limit: 8 * time.Second,
	},
	{
		name: "kernel image truncated", inject: truncate("kernels/*/vmlinuz"), stages: []weight{{start, 3}, {restore, 1}},
		called: []record.Status{record.BootFailed, record.FetchFailed}, early: []record.Status{record.FetchFailed, record.BootFailed}, may: true, exits: []int{0, 3},
		limit: 15 * time.Second, private: true, check: notBooted,
	},
	{
		name: "snapshot truncated", inject: truncate("snapshots/*/state"), stages: []weight{{start, 3}, {restore, 1}},
		called: bootFailed, early: bootFailed, may: true, exits: []int{0, 3}, limit: time.Minute, private: true, check: savedAgain,
	},
	{
		name: "snapshot, a bit flipped", inject: flip("snapshots/*/state"), stages: []weight{{start, 1}},
		exits: []int{0}, limit: time.Minute, private: true, check: savedAgain,
	},
	{
		name: "disk full in the cache", inject: func(r *run) error { return fill(r.cache) }, stages: []weight{{start, 1}, {save, 4}},
		called: []record.Status{record.Failed}, early: []record.Status{record.Failed}, may: true, exits: []int{0, 3},
		says: "no space left", limit: 30 * time.Second, prepare: smallCache,
	},
	{
		name: "disk full in out", inject: func(r *run) error { return fill(r.out) }, stages: []weight{{look, 1}, {measure, 3}},
		called: nil, cutOff: true, exits: []int{3}, says: "no space left", limit: 15 * time.Second,
		prepare: func(r *run) error { return small(r, r.out, 4) },
	},
	{
		name: "clock of the host jumps", inject: jump, stages: []weight{{boot, 1}, {restore, 3}, {look, 3}, {measure, 6}},
		exits: []int{0}, limit: time.Minute, private: true, needs: func(t testing.TB) { testutils.File(t, fakeTime, "libfaketime") },
		prepare: func(r *run) error {
			return errors.Join(oddTimes(r), os.WriteFile(r.clockFile(), []byte("+0\n"), 0o644))
		},
		env: []string{"RINGTWIN_FAKETIME=" + fakeTime, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"},
	},
	{
		name: "tool: SIGTERM", inject: signal(syscall.SIGTERM), stages: anyTime,
		called: cancelled, early: cancelled, exits: []int{3}, limit: 2 * time.Second,
	},
	{
		name: "tool: SIGINT", inject: signal(syscall.SIGINT), stages: anyTime,
		called: cancelled, early: cancelled, exits: []int{3}, limit: 2 * time.Second,
	},
	{
		name: "tool: SIGKILL", inject: signal(syscall.SIGKILL), stages: []weight{{boot, 1}, {save, 5}, {restore, 3}, {look, 4}, {measure, 7}},
		cutOff: true, exits: []int{-1}, limit: time.Second,
	},
}

// smallCache gives the run a cache that snapshots do not fit into, or just.
func smallCache(r *run) error {
	if err := small(r, r.cache, 140); err != nil {
		return err
	}
	return newCache(r.cache, r.template)
}

// notBooted: only the kernel that was stored is booted.
func notBooted(r *run) error {
	if r.stage != start {
		return nil // it was whole when the tool read it
	}
	logs, err := filepath.Glob(filepath.Join(r.out, "2*", "kernels", "*", "console.log"))
	if len(logs) > 0 {
		err = fmt.Errorf("a truncated kernel was booted: %s", logs[0])
	}
	return err
}

// savedAgain: only the machine that was saved is restored.
func savedAgain(r *run) error {
	again := slices.ContainsFunc(r.said, func(s said) bool { return strings.Contains(s.text, "boot, and save the machine") })
	if r.stage == start && !again {
		return errors.New("a snapshot that was changed was used")
	}
	return nil
}
