// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// TestEstimate finds the cost from which the times were made, whatever the machine's frequency is.
func TestEstimate(t *testing.T) {
	model := profile.DefaultModel
	counts := map[side]profile.PerEvent{
		{"woken", ring}: {record.Instructions: 400, record.KernelReturns: 9, record.DeviceWrites: 0.2},
		{"quiet", ring}: {record.Instructions: 300, record.KernelReturns: 5, record.DeviceWrites: 0.01},
	}
	cost, err := profile.ParseModel("device_writes=4321")
	if err != nil {
		t.Fatal(err)
	}
	times := map[side][]float64{}
	for s, of := range counts {
		times[s] = []float64{0, cost.Cycles(of) / 2.5, 1e9}
	}
	var out strings.Builder
	estimate(&out, counts, times, &model)
	if !strings.HasSuffix(out.String(), "device_writes=4321\n") {
		t.Errorf("printed %q", out.String())
	}
}
