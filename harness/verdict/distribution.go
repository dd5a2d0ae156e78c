// SPDX-License-Identifier: MIT

package verdict

import (
	"bytes"
	"encoding/base64"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Distribution is the latency of all events of one side: the histograms of its
// trials together.
type Distribution struct {
	N    int64 // delivered events
	Lost int64 // events that never arrived
	Max  int64 // nanoseconds
	// At are the quantiles that enough events support, rising.
	At []Quantile
}

// Latency is the distribution of all events of the side: nil without histograms, and for
// a sweep, which mixes many rates. It is computed at each call, since decoded histograms
// are large.
func (s *Side) Latency() *Distribution { return s.distribution(actual) }

// Intended is the same from the intended times of triggers; nil also without a rate.
func (s *Side) Intended() *Distribution { return s.distribution(intended) }

func (s *Side) distribution(of func(*record.Trial) *record.Latency) *Distribution {
	if s.Knee != nil {
		return nil
	}
	return pool(s.trials, of)
}

// HasLatency reports whether Latency returns a distribution.
func (s *Side) HasLatency() bool {
	for _, t := range s.trials {
		if s.Knee == nil && t.Latency != nil && t.Latency.HDR != "" && t.Latency.N > 0 {
			return true
		}
	}
	return false
}

// Quantile is one of them.
type Quantile struct {
	Q  float64 // 0 to 1
	NS float64 // of the delivered events
	// WithLostNS is the quantile of all events, lost ones included: infinite if too many
	// were lost.
	WithLostNS float64
}

// quantiles are those that are shown: closer to 1 they come by decades, as
// HdrHistogram's own plots have them.
var quantiles = []float64{
	0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.99975, 0.9999, 0.99995, 0.99999, 0.999999,
}

// histogram decodes a histogram. The library encodes it as base64, and records encode
// that again.
func histogram(text string) (*hdrhistogram.Histogram, error) {
	encoded := []byte(text)
	if inner, err := base64.StdEncoding.DecodeString(text); err == nil && bytes.HasPrefix(inner, []byte("HIST")) {
		encoded = inner
	}
	return hdrhistogram.Decode(encoded)
}

// pool adds the histograms of the trials. It is nil if none is readable.
func pool(trials []*record.Trial, of func(*record.Trial) *record.Latency) *Distribution {
	var all *hdrhistogram.Histogram
	d := &Distribution{}
	for _, t := range trials {
		l := of(t)
		if l == nil || l.HDR == "" || l.N == 0 {
			continue
		}
		one, err := histogram(l.HDR)
		if err != nil {
			continue // the record's own percentiles remain
		}
		if all == nil {
			all = one
		} else {
			all.Merge(one)
		}
		d.Max = max(d.Max, l.Max)
		if l.WithLost != nil {
			d.Lost += max(0, l.WithLost.N-l.N)
		}
	}
	if all == nil {
		return nil
	}
	d.N = all.TotalCount()
	for _, q := range quantiles {
		if !supported(d.N, q) {
			break
		}
		at := Quantile{Q: q, NS: float64(all.ValueAtPercentile(q * 100)), WithLostNS: math.Inf(1)}
		if share := q * float64(d.N+d.Lost) / float64(d.N); share <= 1 {
			at.WithLostNS = float64(all.ValueAtPercentile(share * 100))
		}
		d.At = append(d.At, at)
	}
	return d
}
