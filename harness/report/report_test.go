// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/problem"
	"golang.org/x/perf/benchfmt"
)

// trials are real results, cut down: a kernel without loss, one that loses events, and
// trials that never ran, with markup in text that a kernel or a user may choose.
func trials(t *testing.T) []record.Trial {
	t.Helper()
	all, err := record.ReadFile(filepath.Join("testdata", "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	broken := record.Trial{
		ID: `<b>|x/quick/perf/block0.0`, Status: record.BootFailed, Reason: "boot: \x1b[31m<script>alert(1)</script> | `x`\n```\n# end",
		Kernel:  record.Kernel{Want: `<b>|x`, Source: "file"},
		Machine: record.Machine{Backend: "qemu", Version: "7.2", Accel: "tcg", CPUs: 2, MemoryBytes: 512 << 20},
		Cell:    record.Cell{Transport: "perf"},
	}
	invalid := all[0]
	invalid.Kernel = record.Kernel{Want: "6.12", Release: "6.12.1"}
	invalid.Status, invalid.Reason = record.Invalid, "ledger: torn events = 0: 3, not 0"
	return append(all, broken, invalid)
}

func render(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	all := trials(t)
	results := Of(all, problem.New(problem.Missing, "6.5", "expected, and there are no results of it"))
	golden.Check(t, filepath.Join("testdata", "terminal.txt"), render(t, func(w io.Writer) error { return Terminal(w, results, true) }))
	golden.Check(t, filepath.Join("testdata", "report.md"), render(t, func(w io.Writer) error { return Markdown(w, results) }))
	golden.Check(t, filepath.Join("testdata", "report.html"), render(t, func(w io.Writer) error { return HTML(w, results) }))
	golden.Check(t, filepath.Join("testdata", "bench.txt"), render(t, func(w io.Writer) error { return Bench(w, results) }))
	golden.Check(t, filepath.Join("testdata", "junit.xml"), render(t, func(w io.Writer) error { return JUnit(w, results) }))
}

// TestMarkupIsEscaped: text of a kernel is shown, and has no effect.
func TestMarkupIsEscaped(t *testing.T) {
	all := trials(t)
	markdown := render(t, func(w io.Writer) error { return Markdown(w, &Results{Comparisons: verdict.Compare(all)}) })
	outside := ""
	inside := false
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(strings.TrimSpace(line), "````") {
			inside = !inside
		} else if !inside {
			outside += line
		}
	}
	if strings.Contains(outside, "<script>") || strings.Contains(outside, "<b>") {
		t.Errorf("markup outside of a code block:\n%s", outside)
	}
	junit := render(t, func(w io.Writer) error { return JUnit(w, &Results{Trials: all}) })
	if err := xml.Unmarshal([]byte(junit), new(struct{})); err != nil {
		t.Errorf("not XML: %v", err)
	}
}

// TestBenchIsRead: the writer's text is understood by the format's own reader.
func TestBenchIsRead(t *testing.T) {
	all := trials(t)
	text := render(t, func(w io.Writer) error { return Bench(w, &Results{Trials: all}) })
	reader := benchfmt.NewReader(strings.NewReader(text), "bench.txt")
	results := 0
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			results++
			if v, ok := rec.Value("latency-p50-sec"); !ok || v <= 0 || v > 100 {
				t.Errorf("%s: latency %g, %v", rec.Name, v, ok)
			}
		case *benchfmt.SyntaxError:
			t.Error(rec)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	if results != 8 {
		t.Errorf("%d results, want 8", results)
	}
}

func TestValue(t *testing.T) {
	for _, test := range []struct {
		unit string
		v    float64
		want string
	}{
		{"ns", 0, "0 ns"}, {"ns", 999, "999 ns"}, {"ns", 1500, "1.5 us"}, {"ns", 123456, "123 us"}, {"ns", 2.5e9, "2.5 s"}, {"ns", 9e12, "9000 s"},
		{"bytes", 4096, "4 KiB"}, {"bytes", 1 << 21, "2 MiB"}, {"bytes", 100, "100 B"},
		{"1", 0.5, "0.50"}, {"ns", math.NaN(), "-"},
	} {
		if got := value(test.unit, test.v); got != test.want {
			t.Errorf("%g %s is %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestNothing(t *testing.T) {
	if got := render(t, func(w io.Writer) error { return Terminal(w, Of(nil), true) }); !strings.HasPrefix(got, "missing: nothing was measured") {
		t.Errorf("got %q", got)
	}
}

// TestManyKernels: a summary of 400 kernels, each with something wrong, is below the limit
// of a step, and loses the least important parts.
func TestManyKernels(t *testing.T) {
	some := trials(t)[:4]
	var all []record.Trial
	for kernel := range 400 {
		for _, one := range some {
			one.Kernel.Want = fmt.Sprintf("mainline:6.%d.%d+generic", kernel/100, kernel)
			one.Kernel.Release = one.Kernel.Want
			all = append(all, one)
		}
		last := &all[len(all)-1]
		last.Status, last.Reason = record.Splat, strings.Repeat("WARNING: CPU: 0 PID: 1 at kernel/bpf/ringbuf.c:1 <script> ", 50)
	}
	text := render(t, func(w io.Writer) error { return Markdown(w, Of(all, problem.New(problem.Missing, "6.5", "nothing"))) })
	if len(text) > markdownBytes {
		t.Errorf("%d bytes", len(text))
	}
	if !strings.HasPrefix(text, "❌ **mainline:6.0.0+generic: splat: 1 of 4 trials of plan quick: WARNING: CPU: 0") {
		t.Errorf("it begins %.200q", text)
	}
	for _, what := range []string{"more are left out here", "left out here to keep this short"} {
		if !strings.Contains(text, what) {
			t.Errorf("it does not say: %s", what)
		}
	}
}
