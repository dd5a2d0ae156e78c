package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
)

// manyRecords writes so many records of a real result file, in blocks of four
// trials of several kernels, into a file.
func manyRecords(t testing.TB, n int) string {
	t.Helper()
	trials, err := record.ReadFile("../../harness/report/testdata/results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var perf, ring record.Trial
	for _, trial := range trials {
		if trial.Status == record.OK && trial.Trial.Side == "A" {
			perf = trial
		} else if trial.Status == record.OK {
			ring = trial
		}
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for i := range n {
		trial := perf
		if i%4 == 1 || i%4 == 2 {
			trial = ring
		}
		trial.ID = fmt.Sprint("x", i)
		trial.Kernel.Want = fmt.Sprint("6.", i/4%100)
		trial.Trial.Setup = i / 400 % 25
		trial.Trial.Block = i / 10_000
		if err := record.Write(w, &trial); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkCompare: 100,000 records, within 3 s and 500 MB.
func BenchmarkCompare(b *testing.B) {
	path := manyRecords(b, 100_000)
	var took time.Duration
	for b.Loop() {
		begun := time.Now()
		if code := Run(b.Context(), []string{"compare", path, "--a", "transport=perf", "--b", "transport=ringbuf", "--json"}, io.Discard, os.Stderr); code != 0 {
			b.Fatalf("exit code %d", code)
		}
		took = time.Since(begun)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(took.Seconds(), "sec/100k-records")
	b.ReportMetric(float64(memory.HeapSys)/1e6, "MB")
}
