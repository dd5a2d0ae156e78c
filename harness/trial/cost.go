// SPDX-License-Identifier: MIT

package trial

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// callCost is the CPU time of a producer for each trigger, in ns.
type callCost struct {
	mean   float64
	median float64 // of the stretches of a storm, 0 where there are none
	middle profile.Middle
}

// controlCost is callCost with an empty program, 0 where it is not known, and the
// program's run time each time, in ns.
type controlCost struct {
	callCost
	runNS   float64
	program []profile.Program
}

func costOfCall(truth *workload.Truth) callCost {
	c := callCost{mean: ratio(float64(truth.CPUNS), float64(truth.Triggers()))}
	n := len(truth.StretchNS)
	if n == 0 {
		return c
	}
	calls := make([]float64, n)
	for i, ns := range truth.StretchNS {
		calls[i] = float64(ns) / float64(truth.StretchCalls[i])
	}
	slices.Sort(calls)
	c.median = (calls[(n-1)/2] + calls[n/2]) / 2
	// Beside a flood stretches differ in length, and there is no one in the middle.
	if slices.Min(truth.StretchCalls) == slices.Max(truth.StretchCalls) {
		sorted := slices.Sorted(slices.Values(truth.StretchNS))
		c.middle = profile.Middle{Stretches: n, Calls: int64(truth.StretchCalls[0]), NS: sorted[(n-1)/2] + sorted[n/2]}
	}
	return c
}

func cost(twin *bpf.Twin, c *consumer, counts *record.Counts, truth workload.Truth, control controlCost) (*record.Cost, error) {
	stats, err := twin.Stats()
	if err != nil {
		return nil, err
	}
	cost := &record.Cost{
		ControlNSPerTrigger: control.mean,
		ControlRunNS:        control.runNS,
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

// spent is what a profile of the trial must account for.
func spent(twin *bpf.Twin, c *consumer, truth *workload.Truth, control *controlCost) *profile.Spent {
	return &profile.Spent{
		Program: costOfCall(truth).middle, Control: control.middle, ReaderNS: c.cpuNS,
		Programs: twin.Programs(), Empty: control.program,
	}
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
