// SPDX-License-Identifier: MIT

package verdict

import (
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/harness/record"
)

// TestTrends: by version, not by text.
func TestTrends(t *testing.T) {
	var all []record.Trial
	for _, kernel := range []string{"6.12", "5.10", "6.1"} {
		all = append(all, pairOf(kernel, 0, 1, 1, 0)...)
	}
	all = append(all, pairOf("6.1", 1, 1, 1, 0)...) // one kernel is no trend
	trends := Trends(Compare(all))
	if len(trends) != 1 {
		t.Fatalf("%d trends", len(trends))
	}
	var order []string
	for _, c := range trends[0].Comparisons {
		order = append(order, c.Kernel.Want)
	}
	if got := strings.Join(order, " "); got != "5.10 6.1 6.12" {
		t.Error(got)
	}
}

// TestDistribution: only what ten events support, and lost ones count.
func TestDistribution(t *testing.T) {
	h := hdrhistogram.New(1, 1e9, 3)
	for i := range int64(990) {
		if err := h.RecordValue(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	hdr, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	a := trialOf("perf", 0, 1)
	a.Latency = &record.Latency{N: 990, Max: 990, HDR: string(hdr), WithLost: &record.Quantiles{N: 1100}}
	b := a
	b.Trial.Position = 1
	side := &Compare([]record.Trial{a, b})[0].A
	d := side.Latency()
	if d == nil || d.N != 1980 || d.Lost != 220 || d.Max != 990 {
		t.Fatalf("%+v", d)
	}
	last := d.At[len(d.At)-1]
	if last.Q != 0.99 || last.NS < 970 || last.NS > 990 || last.WithLostNS < 1e300 {
		t.Errorf("%+v", last)
	}
	for _, q := range d.At {
		if q.Q == 0.5 && (q.NS < 490 || q.NS > 500 || q.WithLostNS < 545 || q.WithLostNS > 555) {
			t.Errorf("%+v", q)
		}
	}
}
