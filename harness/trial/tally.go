// SPDX-License-Identifier: MIT

package trial

import (
	"strconv"
	"sync"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"golang.org/x/sys/unix"
)

// tally collects the counts of the program, the kernel, the reader and the workload for
// one trial. It is called after all of them have stopped.
func tally(m *measured) (*record.Counts, error) {
	cell, c := &m.cell, m.consumer
	perCPU, err := m.twin.Counters()
	if err != nil {
		return nil, err
	}
	stats, err := m.twin.Stats()
	if err != nil {
		return nil, err
	}
	state, err := m.reader.State()
	if err != nil {
		return nil, err
	}
	family := cell.Transport.Spec().Family
	counts := &record.Counts{
		Started:       uint64(m.truth.Triggers()),
		Misses:        stats.Misses,
		Failed:        map[string]uint64{},
		Delivered:     uint64(len(c.events)+c.totals.Events) + c.torn + c.overflow,
		LostReported:  c.lost,
		Torn:          c.torn,
		Misshaped:     c.misshaped,
		ProducerBytes: state.ProducerBytes,
		ConsumerBytes: state.ConsumerBytes,
	}
	if footprint := uint64(family.FootprintBytes(cell.PayloadBytes)); footprint > 0 {
		counts.Residual = (state.ResidualBytes + footprint - 1) / footprint
	}
	bare := cell.Content == vocab.Bare && !family.Stages
	for i := range perCPU {
		cpu := &perCPU[i]
		counts.Triggers += cpu.Triggers
		counts.Foreign += cpu.Foreign
		counts.Attempts += cpu.Attempts
		counts.Submitted += cpu.Submitted(bare)
		counts.Discarded += cpu.Discarded
		counts.Staged += cpu.Staged
		counts.Records += cpu.Records
		for errno, n := range cpu.Failed() {
			name := ErrnoName(uint64(errno))
			counts.Failed[name] += n
			if family.CauseOf(name) != "" {
				if counts.FailedCPUs == nil {
					counts.FailedCPUs = map[string][]int{}
				}
				counts.FailedCPUs[name] = append(counts.FailedCPUs[name], i)
			}
		}
		if family.Overwrites && family.PerCPU {
			counts.Fits += min(cpu.Submitted(bare), uint64(cell.Transport.Capacity(cell.RingBytes, cell.PayloadBytes)))
		}
	}
	if own := counts.Attempts / uint64(cell.Batch); cell.Attach == vocab.AttachRawTracepoint && counts.Started >= own {
		// The kernel may also have skipped runs for other system calls.
		counts.Misses = min(counts.Misses, counts.Started-own)
	}
	if family.Overwrites {
		if !family.PerCPU {
			counts.Fits = min(counts.Submitted, uint64(cell.Transport.Capacity(cell.RingBytes, cell.PayloadBytes)))
		}
		counts.Overwritten = counts.Submitted - min(counts.Delivered, counts.Submitted)
	}
	if cell.TotalsOnly() {
		return counts, nil
	}
	countSequences(counts, perCPU, c.events)
	if family.Overwrites {
		countNewest(counts, perCPU, c.events)
	}
	if table := cell.Sizes.Table(); table != nil {
		for i := range c.events {
			n := cell.PayloadBytes
			if !c.fixed {
				n = vocab.SizeOf(table, c.events[i].Seq)
			}
			counts.FootprintBytes += uint64(family.FootprintBytes(n))
		}
	}
	if cell.Workload == vocab.Execve {
		countTokens(counts, c.events, m.truth.Starts)
	}
	return counts, nil
}

// countNewest counts the events that a flight recorder must have kept and did not: those
// missing among the last of a CPU, from the oldest on that it has.
func countNewest(counts *record.Counts, perCPU []bpf.Counters, events []bpf.Event) {
	oldest, kept := map[uint16]uint32{}, map[uint16]uint64{}
	for i := range events {
		e := &events[i]
		if first, ok := oldest[e.CPU]; !ok || e.Seq < first {
			oldest[e.CPU] = e.Seq
		}
		kept[e.CPU]++
	}
	for cpu, first := range oldest {
		if int(cpu) >= len(perCPU) {
			continue // torn
		}
		if wide := perCPU[cpu].Attempts - min(uint64(first), perCPU[cpu].Attempts); wide > kept[cpu] {
			counts.MissingNewest += wide - kept[cpu]
		}
	}
	counts.MissingNewest -= min(counts.MissingNewest, counts.FailedTotal())
}

// countSequences compares the sequence numbers that arrived with those that were stamped.
func countSequences(counts *record.Counts, perCPU []bpf.Counters, events []bpf.Event) {
	seen := make([][]bool, len(perCPU))
	for cpu := range seen {
		seen[cpu] = make([]bool, perCPU[cpu].Attempts)
	}
	next := make([]uint32, len(perCPU))
	var latest uint64
	for i := range events {
		e := &events[i]
		if int(e.CPU) >= len(seen) || int(e.Seq) >= len(seen[e.CPU]) {
			counts.Torn++ // this number was never stamped
			continue
		}
		if seen[e.CPU][e.Seq] {
			counts.Duplicates++
		}
		seen[e.CPU][e.Seq] = true
		if e.Seq < next[e.CPU] {
			counts.InversionsCPU++
		}
		next[e.CPU] = max(next[e.CPU], e.Seq+1)
		if e.TimeNS < latest {
			counts.InversionsGlobal++
		}
		latest = max(latest, e.TimeNS)
	}
	for _, stamps := range seen {
		for _, arrived := range stamps {
			if !arrived {
				counts.SeqGaps++
			}
		}
	}
}

// countTokens compares the events with the ground truth.
func countTokens(counts *record.Counts, events []bpf.Event, starts []workload.Start) {
	truth := make(map[uint64]*workload.Start, len(starts))
	for i := range starts {
		truth[starts[i].Token] = &starts[i]
	}
	messages := Messages()
	arrived := make(map[uint64]bool, len(starts))
	for i := range events {
		e := &events[i]
		start, ok := truth[e.Token]
		if !ok {
			counts.UnknownTokens++
			continue
		}
		arrived[e.Token] = true
		if normalise(e) != expect(start, messages) {
			counts.Mismatched++
		}
	}
	counts.MissingTokens = uint64(len(truth) - len(arrived))
}

// initialPIDNamespace is PROC_PID_INIT_INO of include/linux/proc_ns.h.
const initialPIDNamespace = 0xEFFFFFFC

// samePIDs reports whether BPF programs and this process see the same pids. A program
// sees those of the initial namespace, which differ in a container.
var samePIDs = sync.OnceValue(func() bool {
	var stat unix.Stat_t
	return unix.Stat("/proc/self/ns/pid", &stat) == nil && stat.Ino == initialPIDNamespace
})

// Normal is an event without the fields that differ between runs and transports: time,
// sequence number, CPU.
type Normal struct {
	Token   uint64 `json:"token"`
	PID     uint32 `json:"pid"` // 0 outside of the initial pid namespace
	UID     uint32 `json:"uid"`
	Command string `json:"command"`
	Message string `json:"message"`
}

func normalise(e *bpf.Event) Normal {
	n := Normal{
		Token: e.Token, PID: e.PID, UID: e.UID,
		Command: bpf.Text(e.Command[:]), Message: bpf.Text(e.Message[:]),
	}
	if !samePIDs() {
		n.PID = 0
	}
	return n
}

// expect is the event that a start must cause.
func expect(s *workload.Start, messages map[uint32]string) Normal {
	message, ok := messages[s.UID]
	if !ok {
		message = bpf.DefaultMessage
	}
	n := Normal{Token: s.Token, PID: s.PID, UID: s.UID, Command: workload.Command, Message: message}
	if !samePIDs() {
		n.PID = 0
	}
	return n
}

// ErrnoName is the name of an errno as the ledger uses it.
func ErrnoName(errno uint64) string {
	if unix.Errno(errno) == unix.EOPNOTSUPP {
		return "EOPNOTSUPP" // the same number as ENOTSUP, and the name in the kernel
	}
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return "errno " + strconv.FormatUint(errno, 10)
}
