package verdict

import (
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/harness/record"
)

// pairOf are blocks of one set-up in which the latency of ringbuf is ratio times
// that of perf, and perf loses so many of 13 events.
func pairOf(kernel string, setup, blocks int, ratio float64, lost uint64) []record.Trial {
	var all []record.Trial
	for block := range blocks {
		a, b := trialOf("perf", block, int64(1000+block)), trialOf("ringbuf", block, int64(float64(1000+block)*ratio))
		for _, t := range []*record.Trial{&a, &b} {
			t.Kernel.Want, t.Kernel.Release, t.Trial.Setup, t.Trial.Side = kernel, kernel+".0", setup, "A"
			t.Counts.Failed, t.Counts.Misses = map[string]uint64{}, 0
			t.Cost.ProducerNSPerEvent, t.Cost.ConsumerCPUNSPerEvent = 100, 100
		}
		a.Counts.Failed["ENOSPC"] = lost
		b.Trial.Side = "B"
		all = append(all, a, b)
	}
	return all
}

func TestRecommend(t *testing.T) {
	for name, c := range map[string]struct {
		trials []record.Trial
		setup  string
		says   []string
	}{
		"one is sooner":    {pairOf("6.1", 0, 8, 0.5, 0), "ringbuf", []string{"better in 1 of 1 set-up that decide, most clearly against perf by latency p99, 0.5 times as much"}},
		"one loses less":   {pairOf("6.1", 0, 8, 2, 3), "ringbuf", []string{"by loss, 0 % against 23.1 %", "but latency p50, 2 times as much"}},
		"either":           {pairOf("6.1", 0, 8, 1, 0), "", []string{"either will do"}},
		"too few blocks":   {pairOf("6.1", 0, 2, 0.5, 0), "", []string{"nothing is decided yet in 1 set-up; 6 more blocks"}},
		"it depends":       {append(pairOf("6.1", 0, 8, 0.5, 0), pairOf("6.1", 1, 8, 2, 0)...), "", []string{"it depends"}},
		"more often":       {append(append(pairOf("6.1", 0, 8, 0.5, 0), pairOf("6.1", 1, 8, 2, 0)...), pairOf("6.1", 2, 8, 0.4, 0)...), "ringbuf", []string{"better in 2 of 3 set-ups that decide", "worse in 1"}},
		"nothing measured": {[]record.Trial{{Status: record.Panic, Cell: record.Cell{Transport: "perf"}}}, "", []string{"nothing can be said: panic"}},
	} {
		r := Recommend(Compare(c.trials))
		if len(r) != 1 || r[0].Setup != c.setup {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(r[0].Sentence, want) {
				t.Errorf("%s: %q has no %q", name, r[0].Sentence, want)
			}
		}
	}
}

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
