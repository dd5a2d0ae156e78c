// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// BenchmarkExec compares, in turn, how long exec takes for a program of 30 MB, from its
// start until it has ended, with how long virtme-ng takes for true.
func BenchmarkExec(b *testing.B) {
	testutils.Program(b, "vng")
	cfg := snapshotConfig(b, "6.1+generic")
	large := largeProgram(b, 30<<20)
	var took []time.Duration
	var theirs time.Duration
	run := func() time.Duration {
		return timed(b, exec.Command(program, "exec", "--kernel", "6.1", "--", large))
	}
	run() // saves the snapshot
	for b.Loop() {
		theirs += runVNG(b, machine.Config{Kernel: cfg.Kernel, CPUs: cfg.CPUs, MemoryMiB: cfg.MemoryMiB})
		took = append(took, run())
	}
	slices.Sort(took)
	median := took[len(took)/2]
	b.ReportMetric(median.Seconds(), "exec-30MB-sec/median")
	b.ReportMetric(theirs.Seconds()/float64(len(took)), "vng-true-sec/op")
	b.ReportMetric(theirs.Seconds()/float64(len(took))/median.Seconds(), "vng-true/exec")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkExecOutput is how long 50 MB of output take, in pieces as programs write them.
func BenchmarkExecOutput(b *testing.B) {
	testutils.Program(b, "qemu-system-x86_64")
	var took time.Duration
	for b.Loop() {
		took += timed(b, exec.Command(program, "exec", "--kernel", "6.1", "--", "head", "-c", "50000000", "/dev/zero"))
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "exec-50MB-output-sec/op")
	b.ReportMetric(0, "ns/op")
}

// timed returns how long a command takes.
func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %s", err, &stderr)
	}
	return time.Since(begun)
}

// largeProgram is one that does nothing and has so many bytes of data, which do not
// compress.
func largeProgram(b *testing.B, bytes int) string {
	b.Helper()
	dir := b.TempDir()
	blob := make([]byte, bytes)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range blob {
		blob[i] = byte(random.Uint32())
	}
	for name, data := range map[string][]byte{
		"blob": blob, "go.mod": []byte("module large\n\ngo 1.26\n"),
		"main.go": []byte("package main\n\nimport _ \"embed\"\n\n//go:embed blob\nvar blob []byte\n\nfunc main() { println(len(blob)) }\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", "large", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "large")
}
