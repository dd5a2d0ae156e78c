// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
)

// generated writes records of configurations of 8 blocks of 4 trials, as large as real
// ones.
func generated(tb testing.TB, records int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "results.jsonl")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for i := range records {
		if err := record.Write(w, generatedTrial(i)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func generatedTrial(i int) *record.Trial {
	const blocks, order = 8, "ABBA"
	config, block, position := i/(blocks*len(order)), i/len(order)%blocks, i%len(order)
	ns := int64(40_000 + 7*(i%1013) + 3*(i%101))
	t := &record.Trial{
		Schema: record.Schema, ID: fmt.Sprint("6.1/full/", i), Status: record.OK,
		Kernel:  record.Kernel{Want: "6.1", Release: "6.1.0-56-cloud-amd64", Source: "apt", Package: "linux-image-6.1.0-56-cloud-amd64=6.1.192-2", SHA256: strings.Repeat("51", 32)},
		Machine: record.Machine{Backend: "qemu", Accel: "kvm", Clock: record.Wall, CPUs: 2, MemoryBytes: 512 << 20, CPUModel: "host", Version: "7.2.22", Command: "qemu-system-x86_64 " + strings.Repeat("-option value ", 60)},
		Cell:    record.Cell{Transport: "perf", Policy: "every", Attach: "tracepoint", Workload: "storm", Events: 2000, Batch: 1, PayloadBytes: 64 + config, RingBytes: 131072, RingBytesTotal: 262144, Equal: "total", Producers: 1, Placement: "apart"},
		Trial:   record.Place{Run: "20261122-235829", Plan: "full", Configuration: config, Side: order[position : position+1], Trials: 1 << 20, Block: block, Position: position, Order: order, Started: time.Unix(int64(i), 0).UTC().Format(time.RFC3339Nano)},
		Counts:  &record.Counts{Started: 2000, Triggers: 2000, Attempts: 2000, Submitted: 2000, Delivered: 2000, Failed: map[string]uint64{}},
		Latency: &record.Latency{N: 2000, P50: ns, P90: 2 * ns, P99: 3 * ns, P999: 4 * ns, Max: 5 * ns, HDR: strings.Repeat("SElTVEZB", 75)},
		Cost:    &record.Cost{ProducerNSPerEvent: float64(ns) / 2, ConsumerCPUNSPerEvent: float64(ns) / 3, Wakeups: 1900 + int64(i%97), ContextSwitches: 2000 + int64(i%89)},
		Rate:    &record.Rate{AchievedHz: 2000, DeliveredHz: 2000 - float64(i%13), DurationNS: 1e9},
		Memory:  &record.Memory{LockedBytes: 270352, RSSBytes: 1 << 24},
	}
	if t.Trial.Side == "B" {
		t.Cell.Transport, t.Cell.Policy, t.Cell.RingBytes = "ringbuf", "adaptive", 262144
		t.Memory.LockedBytes = 274432
	}
	for j := range 16 {
		t.Ledger = append(t.Ledger, record.Invariant{Invariant: fmt.Sprintf("attempts = submitted + failed + discarded, %d", j), Holds: true, Detail: "2000"})
	}
	return t
}

// BenchmarkCompare reads and compares 100,000 records; it fails beyond three seconds or
// 500 MB.
func BenchmarkCompare(b *testing.B) {
	path := generated(b, 100_000)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	for b.Loop() {
		started := time.Now()
		cmd := exec.Command(program, "compare", path, "--a", "transport=perf", "--b", "transport=ringbuf", "--json")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		resident := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		b.ReportMetric(float64(resident)/1e6, "MB")
		if took := time.Since(started); took > 3*time.Second || resident > 500e6 {
			b.Errorf("%v and %d MB, want 3 s and 500 MB at most", took, resident/1e6)
		}
	}
}
