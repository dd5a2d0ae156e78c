// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// agentTrial is a trial of one side of a pair.
func agentTrial(side, agent string, kind vocab.Transport, position int, failed map[string]uint64, cpus map[string][]int) record.Trial {
	var lost uint64
	for _, n := range failed {
		lost += n
	}
	return record.Trial{
		Status: record.OK, Kernel: record.Kernel{Want: "6.1", Release: "6.1.0"}, Machine: record.Machine{Accel: "kvm", Clock: record.Wall, CPUs: 2},
		Cell: record.Cell{
			Transport: kind, Policy: kind.DefaultPolicy(), Agent: agent, Workload: vocab.Storm, Events: 100, Batch: 1, PayloadBytes: 64,
			RingBytes: 1 << 20, RingBytesTotal: 2 << 20, Producers: 1,
		},
		Trial:  record.Place{Plan: "agents", Scenario: "storm", Side: side, Order: "ABBA", Position: position},
		Counts: &record.Counts{Started: 100, Triggers: 100, Attempts: 100, Submitted: 100 - lost, Delivered: 100 - lost, Failed: failed, FailedCPUs: cpus},
		Memory: &record.Memory{LockedBytes: 2 << 20},
	}
}

// TestAgents: each has a row, whichever it was a pair with, and a loss that is no full ring
// has its CPU and its cause.
func TestAgents(t *testing.T) {
	var trials []record.Trial
	for position, side := range []string{"A", "B", "B", "A"} {
		if side == "A" {
			trials = append(trials, agentTrial(side, "tracee", vocab.Perf, position, map[string]uint64{"ENOENT": 25}, map[string][]int{"ENOENT": {3}}))
		} else {
			trials = append(trials, agentTrial(side, "inspektor-gadget", vocab.Ringbuf, position, nil, nil))
		}
	}
	comparisons := verdict.Compare(trials)
	var text, markdown, page bytes.Buffer
	for _, err := range []error{Terminal(&text, &Results{Comparisons: comparisons}, false), Markdown(&markdown, &Results{Comparisons: comparisons}), HTML(&page, &Results{Comparisons: comparisons})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		text.String():     "\nTracee            perf/every        2 x 1 MiB  25 %",
		markdown.String(): "| Tracee | perf/every | 2 x 1 MiB | 25 % |",
		page.String():     "<td>Tracee<td>perf/every<td>2 x 1 MiB<td>25 %",
	} {
		if !strings.Contains(name, want) {
			t.Errorf("no %q in\n%.3000s", want, name)
		}
	}
	if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), "Tracee: 25 % lost, ENOENT on CPU 3 (the CPU has no ring)") {
		t.Errorf("no cause in\n%s", text.String())
	}
}
