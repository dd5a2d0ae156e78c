// SPDX-License-Identifier: MIT

package trial

import (
	"strconv"
	"sync"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"golang.org/x/sys/unix"
)

// tally collects the counts of the program, the kernel, the reader and the workload for
// one trial. It is called after all of them have stopped.
func tally(twin *bpf.Twin, reader transport.Reader, c *consumer, cell record.Cell, truth workload.Truth) (*record.Counts, error) {
	perCPU, err := twin.Counters()
	if err != nil {
		return nil, err
	}
	stats, err := twin.Stats()
	if err != nil {
		return nil, err
	}
	state, err := reader.State()
	if err != nil {
		return nil, err
	}
	counts := &record.Counts{
		Started:       uint64(truth.Triggers()),
		Misses:        stats.Misses,
		Failed:        map[string]uint64{},
		Delivered:     uint64(len(c.events)) + c.torn + c.overflow,
		LostReported:  c.lost,
		Torn:          c.torn,
		Misshaped:     c.misshaped,
		ProducerBytes: state.ProducerBytes,
		ConsumerBytes: state.ConsumerBytes,
	}
	footprint := cell.Transport.FootprintBytes(cell.PayloadBytes)
	counts.Residual = (state.ResidualBytes + uint64(footprint) - 1) / uint64(footprint)
	for _, cpu := range perCPU {
		counts.Triggers += cpu.Triggers
		counts.Foreign += cpu.Foreign
		counts.Attempts += cpu.Attempts
		counts.Submitted += cpu.Submitted()
		counts.Discarded += cpu.Discarded
		for errno, n := range cpu.Failed() {
			counts.Failed[ErrnoName(uint64(errno))] += n
		}
	}
	if own := counts.Attempts / uint64(cell.Batch); cell.Attach == vocab.AttachRawTracepoint && counts.Started >= own {
		// The kernel may also have skipped runs for other system calls.
		counts.Misses = min(counts.Misses, counts.Started-own)
	}
	countSequences(counts, perCPU, c.events)
	if cell.Workload == vocab.Execve {
		countTokens(counts, c.events, truth.Starts)
	}
	return counts, nil
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
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return "errno " + strconv.FormatUint(errno, 10)
}
