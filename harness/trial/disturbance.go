// SPDX-License-Identifier: MIT

package trial

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// disturbance is what kept the threads of a trial from running: stolenBefore is the
// steal time of the trial's CPUs when it began.
func (r *Runner) disturbance(stolenBefore int64, c *consumer, truth *workload.Truth) (*record.Disturbance, error) {
	stolen, err := stealNS(r.cpus)
	if err != nil {
		return nil, err
	}
	return &record.Disturbance{
		StealNS:        max(stolen-stolenBefore, 0),
		RunDelayNS:     c.runDelayNS + truth.RunDelayNS,
		ForcedSwitches: c.forced + truth.ForcedSwitches,
	}, nil
}

// tickNS is the unit of /proc/stat: USER_HZ is 100 on every supported architecture.
const tickNS = 10_000_000

// stealNS adds up the time that a hypervisor took from these CPUs since they
// booted: the eighth figure of their lines, in ticks.
//
// https://docs.kernel.org/filesystems/proc.html#miscellaneous-kernel-statistics-in-proc-stat
func stealNS(cpus []int) (int64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read steal time: %w", err)
	}
	return parseSteal(text, cpus)
}

func parseSteal(text []byte, cpus []int) (int64, error) {
	var ticks int64
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) < 9 {
			continue
		}
		number, isCPU := strings.CutPrefix(fields[0], "cpu")
		cpu, err := strconv.Atoi(number)
		if !isCPU || err != nil || !slices.Contains(cpus, cpu) {
			continue
		}
		n, err := strconv.ParseInt(fields[8], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read steal time: %q", line)
		}
		ticks += n
	}
	return ticks * tickNS, nil
}

// runDelayOfThread is how long the calling thread was ready to run and did not, in ns
// since it began; 0 if the kernel does not record it.
func runDelayOfThread() (int64, error) {
	delay, err := workload.RunDelay("/proc/thread-self/schedstat")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return delay, err
}
