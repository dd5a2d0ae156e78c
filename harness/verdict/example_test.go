// SPDX-License-Identifier: MIT

package verdict_test

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// trial is one trial in virtual time, where a block decides.
func trial(side string, cell record.Cell, instructions float64) record.Trial {
	return record.Trial{
		Status: record.OK, Kernel: record.Kernel{Want: "6.1"}, Machine: record.Machine{Backend: "qemu", Clock: record.Virtual},
		Cell:   cell,
		Trial:  record.Place{Run: "r", Plan: "mine", Side: side, Order: "AB"},
		Counts: &record.Counts{Attempts: 100, Delivered: 100},
		Cost:   &record.Cost{InstructionsPerEvent: instructions},
		Ledger: []record.Invariant{{Holds: true}},
	}
}

func ExampleCompare() {
	perf, ringbuf := record.Cell{Transport: "perf", Workload: "storm"}, record.Cell{Transport: "ringbuf", Workload: "storm"}
	trials := []record.Trial{trial("A", perf, 900), trial("B", ringbuf, 370), trial("B", ringbuf, 370), trial("A", perf, 900)}
	for _, c := range verdict.Compare(trials) {
		row := c.Row("instructions_per_event")
		fmt.Printf("%s: %.0f and %.0f instructions an event, ratio %.2f: %s\n", c.Kernel.Want, row.A, row.B, row.Ratio, row.Verdict)
	}
	// Output: 6.1: 900 and 370 instructions an event, ratio 0.41: B better
}

func ExampleParseGate() {
	gate, err := verdict.ParseGate("latency_p99 <= 10%")
	fmt.Println(gate, err)
	_, err = verdict.ParseGate("loss <= some")
	fmt.Println(err)
	// Output:
	// latency_p99 <= 10% <nil>
	// gate "loss <= some": limit "some", want a number of 0 or more, as 0.5%
}
