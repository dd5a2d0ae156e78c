// SPDX-License-Identifier: MIT

package trial

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// Bounds of the latency histogram: three digits from 1 ns to 100 s.
const (
	latencyMaxNS  = int64(100 * time.Second)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMaxNS, latencyDigits)
}

// observe records ns, and returns 1 if it is negative. Negative values are not clamped,
// since they show errors of the clocks.
func observe(h *hdrhistogram.Histogram, ns int64) (negative int64) {
	if ns < 0 {
		return 1
	}
	if h.RecordValue(ns) != nil {
		_ = h.RecordValue(latencyMaxNS)
	}
	return 0
}

// latencies summarizes a histogram, with the number of lost events; nil if it is empty.
// The error is that of encoding it.
func latencies(h *hdrhistogram.Histogram, negative, lost int64) (*record.Latency, error) {
	if h.TotalCount() == 0 {
		return nil, nil
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode latency histogram: %w", err)
	}
	at := h.ValueAtQuantile
	all := h.TotalCount() + lost
	// A lost event took longer than any other.
	withLost := func(percent float64) int64 {
		rank := percent * float64(all) / float64(h.TotalCount())
		if rank > 100 {
			return record.Never
		}
		return at(rank)
	}
	return &record.Latency{
		N:   h.TotalCount(),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99),
		Max:      h.Max(),
		Negative: negative,
		WithLost: &record.Quantiles{
			N: all, P50: withLost(50), P90: withLost(90), P99: withLost(99), P999: withLost(99.9), P9999: withLost(99.99),
		},
		HDR: string(encoded), // already base64
	}, nil
}

// intended is the latency from each event's intended time: nil without a rate, or if
// events are too small to have a token.
func intended(c *consumer, cell record.Cell, options workload.Options, truth workload.Truth, lost int64) (*record.Latency, error) {
	if cell.RateHz == 0 {
		return nil, nil
	}
	h, negative := newHistogram(), int64(0)
	programs := make(map[uint64]uint64, len(truth.Starts))
	for i := range truth.Starts {
		programs[truth.Starts[i].Token] = truth.Starts[i].IntendedNS
	}
	for i := range c.events {
		e := &c.events[i]
		at := programs[e.Token]
		if options.Storm && e.Token != 0 {
			at = truth.IntendedCall(options, uint32(e.Token))
		}
		if at != 0 {
			negative += observe(h, c.times[i]-int64(at))
		}
	}
	return latencies(h, negative, lost)
}
