// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// many makes the trials of configurations on two kernels, and of a sweep and several
// policies. Blocks of two trials, so a comparison has two cells.
func many(tb testing.TB, configs, blocks int) []record.Trial {
	tb.Helper()
	h := hdrhistogram.New(1, 1e12, 3)
	for i := range int64(2000) {
		if err := h.RecordValue(40_000 + i*i); err != nil {
			tb.Fatal(err)
		}
	}
	hdr, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		tb.Fatal(err)
	}
	policies := [][2]vocab.Policy{{"every", "adaptive"}, {"watermark=2048", "batch=28"}, {"timer", "timer"}}
	var all []record.Trial
	for config := range configs {
		for block := range blocks {
			for side, transport := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
				ns := int64(40_000*(config%7+1) + 1000*block - 9000*side)
				t := record.Trial{
					ID: fmt.Sprint(config, block, side), Status: record.OK,
					Kernel:   record.Kernel{Want: []string{"6.1", "6.12"}[config%2], Release: []string{"6.1.0-56-amd64", "6.12.3-amd64"}[config%2], Source: "apt"},
					Machine:  record.Machine{Backend: "qemu", Version: "7.2", Accel: "kvm", Clock: record.Wall, CPUs: 2, MemoryBytes: 512 << 20},
					Cell:     record.Cell{Transport: transport, Policy: policies[config/2%3][side], Workload: "storm", Attach: "tracepoint", Events: 2000, Batch: 1, PayloadBytes: 64 + config/6, RingBytes: 4096, RingBytesTotal: 8192, Producers: 1, Placement: "apart"},
					Trial:    record.Place{Run: "r", Plan: "full", Configuration: config / 2, Side: []string{"A", "B"}[side], Block: block, Order: "AB", Started: "2026-11-22T17:15:58Z"},
					Counts:   &record.Counts{Started: 2000, Attempts: 2000, Delivered: 2000},
					Latency:  &record.Latency{N: 2000, P50: ns, P99: 3 * ns, Max: 4 * ns, HDR: string(hdr)},
					Intended: &record.Latency{N: 2000, P50: 2 * ns, P99: 4 * ns, Max: 5 * ns},
					Cost:     &record.Cost{ProducerNSPerEvent: float64(ns) / 9, ProducerCPUNSPerEvent: float64(ns) / 7, ConsumerCPUNSPerEvent: float64(ns) / 5, Wakeups: int64(1000 + block), ContextSwitches: 2000},
					Rate:     &record.Rate{AchievedHz: 2000, DeliveredHz: 2000, DurationNS: 1e9},
					Memory:   &record.Memory{LockedBytes: 8192},
					Ledger:   make([]record.Invariant, 16),
				}
				all = append(all, t)
			}
		}
	}
	return all
}

// sweep is a knee at 3 kHz for perf and none for ringbuf.
func sweep(tb testing.TB) []record.Trial {
	all := many(tb, 1, 6)
	for i := range all {
		t := &all[i]
		t.Trial.Scenario, t.Trial.Block, t.Trial.Step = "knee", 0, 1+i/2
		t.Cell.RateHz = 1000 * float64(1+i/2)
		if i%2 == 0 && i > 4 {
			t.Counts.Failed = map[string]uint64{"ENOSPC": uint64(10 * i)}
		}
	}
	return all
}

func page1(t *testing.T, trials []record.Trial) string {
	t.Helper()
	comparisons := verdict.Compare(trials)
	return render(t, func(w io.Writer) error { return HTML(w, &Results{Comparisons: comparisons}) })
}

// TestHTML: every section has its content, and is omitted without any.
func TestHTML(t *testing.T) {
	text := page1(t, append(many(t, 12, 8), sweep(t)...))
	for _, want := range []string{
		"204 of 204 trials measured, on 2 kernels",
		"<strong>6.1: ",
		`<h2 id="map"`, `<h2 id="knee"`, `<h2 id="policies"`, `<h2 id="trend"`, `<h2 id="latency"`, `<h2 id="setups"`, `<h2 id="method"`, `<h2 id="limits"`,
		"perf, knee 3 kHz to 4 kHz", "ringbuf, knee above 6 kHz", "p99.9", "<svg role=\"img\"",
		"ringtwin vmtest 6.1 --cpus 2 --memory 512 --clock wall --accel kvm --plan full</pre>",
		"ringtwin vmtest 6.12 --cpus 2 --memory 512 --clock wall --accel kvm --plan programs --attach tracepoint --set &#39;pairs=[[perf/timer, ringbuf/timer]]&#39; --set workload=storm --set payload_bytes=65 --set events=2000 --set ring_bytes_total=8192</pre>",
		"prefers-color-scheme: dark", "@media print",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"<script", "http://www.w3.org/1999/xhtml", "@import", "url(", "ZgotmplZ", "rgb(", "Roboto", `id="problems"`, "NaN", "Inf"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %q", bad)
		}
	}
	empty := page1(t, nil)
	for _, bad := range []string{`id="map"`, `id="knee"`, `id="latency"`, `id="problems"`, `id="setups"`} {
		if strings.Contains(empty, bad) {
			t.Errorf("nothing was measured, and there is %s", bad)
		}
	}
}

// TestHTMLEscapes: text of a kernel or a user is shown, and has no effect.
func TestHTMLEscapes(t *testing.T) {
	text := page1(t, trials(t))
	for _, bad := range []string{"<script>alert", "<b>|x"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "boot-failed", "invalid", "Emulated:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	all := many(t, 4, 1)
	for i := range all {
		all[i].Kernel.Release = `</title><script>x</script>"'`
		all[i].Trial.Plan = `<i>`
		all[i].Cell.Policy = `"><img src=x>`
	}
	if text := page1(t, all); strings.Contains(text, "<script>x") || strings.Contains(text, "<img") || strings.Contains(text, "<i><i>") {
		t.Error("markup in a release, a plan or a policy reaches the page")
	}
}

// TestSizes: 2,000 cells are a page of at most 5 MB, and Markdown of at most half
// a MiB that says what it left out.
func TestSizes(t *testing.T) {
	comparisons := verdict.Compare(many(t, 1000, 8))
	if len(comparisons) != 1000 {
		t.Fatalf("%d comparisons", len(comparisons))
	}
	html := render(t, func(w io.Writer) error { return HTML(w, &Results{Comparisons: comparisons}) })
	if len(html) > 5e6 || !strings.Contains(html, "more configurations are not drawn") {
		t.Errorf("a page of %d bytes", len(html))
	}
	markdown := render(t, func(w io.Writer) error { return Markdown(w, &Results{Comparisons: comparisons}) })
	if len(markdown) > markdownBytes || !strings.Contains(markdown, "configurations left out here") {
		t.Errorf("Markdown of %d bytes", len(markdown))
	}
	t.Logf("HTML %d bytes, Markdown %d", len(html), len(markdown))
}

// BenchmarkHTML is a page of 2,000 cells, from their trials on; it fails beyond two
// seconds.
func BenchmarkHTML(b *testing.B) {
	trials := many(b, 1000, 8)
	for b.Loop() {
		started := time.Now()
		if err := HTML(io.Discard, &Results{Comparisons: verdict.Compare(trials)}); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(started); took > 2*time.Second {
			b.Errorf("%v, want 2 s at most", took)
		}
	}
}

// TestManySetups: with more configurations than a row has room for, the table has a
// column per kernel, and common values are shown once.
func TestManyConfigurations(t *testing.T) {
	all := many(t, 12, 10)
	for i := range all {
		all[i].Kernel.Want, all[i].Kernel.Release = "6.1", "6.1.0-56-amd64"
		all[i].Trial.Configuration, all[i].Trial.Scenario = i/20, "size"
	}
	m := matrixOf(verdict.Answers(verdict.Compare(all)))
	if len(m.Columns) <= mostColumns || !m.turned() || !strings.Contains(strings.Join(m.Left, "; "), "lost (in all 6 configurations)") {
		t.Fatalf("%d columns, turned %t, left out: %s", len(m.Columns), m.turned(), m.Left)
	}
	if g := m.table(); len(g.Rows) != len(m.Columns)+1 || g.Head[2] != "6.1" {
		t.Errorf("%d rows for %d columns, head %v", len(g.Rows), len(m.Columns), g.Head)
	}
	table, _, _ := strings.Cut(page1(t, all), "is better, ▲")
	if n := strings.Count(table, "<tr>"); n != len(m.Columns)+2 {
		t.Errorf("%d rows in the page for %d columns", n, len(m.Columns))
	}
}

// TestEmulatedTimes: a report of counts alone has no warning about times.
func TestEmulatedTimes(t *testing.T) {
	all := many(t, 1, 1)
	for i := range all {
		all[i].Machine.Accel = "tcg"
	}
	if !strings.Contains(page1(t, all), "Emulated:") {
		t.Error("times of an emulated machine, and nothing says so")
	}
	for i := range all {
		all[i].Latency, all[i].Intended, all[i].Cost, all[i].Rate = nil, nil, nil, nil
	}
	if strings.Contains(page1(t, all), "Emulated:") {
		t.Error("a word about times, and there are none")
	}
}
