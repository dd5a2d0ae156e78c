// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// fleetKernels are those that the fleet is measured with: both package layouts,
// oldest to newest.
var fleetKernels = []string{"5.10", "6.1", "6.12", "6.16", "6.18", "6.19", "7.0", "7.3"}

// BenchmarkFleet compares the default plan on many kernels in one command with the same
// kernels one by one, with all caches filled, and reports the cost of each additional
// kernel.
func BenchmarkFleet(b *testing.B) {
	testutils.Root(b)
	testutils.Program(b, "qemu-system-x86_64")
	vmtest := func(kernels ...string) time.Duration {
		b.Helper()
		begun := time.Now()
		args := append([]string{"vmtest", "--out", filepath.Join(b.TempDir(), "out")}, kernels...)
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", kernels, err, out)
		}
		return time.Since(begun)
	}
	vmtest(append([]string{"--blocks", "1"}, fleetKernels...)...) // fill the caches
	for b.Loop() {
		var sum time.Duration
		for _, name := range fleetKernels {
			sum += vmtest(name)
		}
		two, four, all := vmtest(fleetKernels[:2]...), vmtest(fleetKernels[:4]...), vmtest(fleetKernels...)
		b.ReportMetric(sum.Seconds(), "one-by-one-sec")
		b.ReportMetric(all.Seconds(), "together-sec")
		b.ReportMetric(all.Seconds()/sum.Seconds(), "together/one-by-one")
		b.ReportMetric((four-two).Seconds()/2, "sec/kernel-2to4")
		b.ReportMetric((all-four).Seconds()/4, "sec/kernel-4to8")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFirstRecord is the time from the start of QEMU to the record of a
// trial of one program, on a machine that is restored from a snapshot.
func BenchmarkFirstRecord(b *testing.B) {
	cfg := snapshotConfig(b, "6.1")
	snapshot, err := machine.SaveSnapshot(b.Context(), b.TempDir(), cfg, "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	p, err := plan.Load(plan.Plain)
	if err != nil {
		b.Fatal(err)
	}
	p.Values["events"] = []string{"1"}
	configs, err := p.Configurations(cfg.CPUs)
	if err != nil {
		b.Fatal(err)
	}
	cell := configs[0].Cells[1]
	cell.Attach = vocab.AttachTracepoint
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		m, err := snapshot.Start(filepath.Join(b.TempDir(), "console.log"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.AwaitReady(b.Context()); err != nil {
			b.Fatal(err)
		}
		var got session.Measured
		err = m.Do(b.Context(), session.Request{Trials: []session.Timed{{Cell: cell}}}, time.Minute, func(body json.RawMessage) error {
			return json.Unmarshal(body, &got)
		})
		if err != nil {
			b.Fatal(err)
		}
		if got.Trial == nil || got.Trial.Counts.Delivered != 1 {
			b.Fatalf("measured %+v", got)
		}
		took = append(took, time.Since(begun))
		m.Kill()
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "record-sec/median")
	b.ReportMetric(took[len(took)-1].Seconds(), "record-sec/max")
	b.ReportMetric(0, "ns/op")
}
