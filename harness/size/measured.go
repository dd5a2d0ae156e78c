// SPDX-License-Identifier: MIT

package size

import (
	"errors"
	"fmt"
	"math"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Measured is the load that trials show, of those that were measured:
//
//   - the rate is the highest that was achieved, rounded up;
//   - the burst is the most events of a trial for which there had to be room at once. In
//     a trial that lost some, a ring was full: its capacity, and what was lost. In one
//     that lost none, what waited until the end;
//   - the size of an event is the largest.
//
// Losses at several times, or of several rings, add up, so the burst is an upper bound.
// It is what waited whatever the reader did, so a stall comes on top of it.
func Measured(trials []record.Trial) (*Load, error) {
	l := &Load{}
	measured := 0
	for i := range trials {
		t := &trials[i]
		if t.Status != record.OK || t.Counts == nil {
			continue
		}
		measured++
		if t.Rate != nil {
			l.RateHz = max(l.RateHz, whole(t.Rate.AchievedHz))
		}
		l.Burst = max(l.Burst, waited(t))
		l.EventBytes = max(l.EventBytes, t.Cell.PayloadBytes)
	}
	if measured == 0 {
		return nil, errors.New("no trial was measured: want a file of ringtwin vmtest or run, or --rate, --burst and --bytes")
	}
	if l.RateHz > maxRateHz || l.Burst > MaxRingBytes {
		return nil, fmt.Errorf("a rate of %d a second and a burst of %d: no trial measures that", l.RateHz, l.Burst)
	}
	return l, nil
}

// whole rounds up, and is beyond all limits for what is no number of events.
func whole(x float64) int {
	if !(x >= 0 && x < math.MaxInt32) {
		return math.MaxInt32
	}
	return int(math.Ceil(x))
}

// waited is the events of a trial for which there had to be room at once.
func waited(t *record.Trial) int {
	lost := bounded(t.Counts.FailedTotal())
	if lost == 0 {
		return bounded(t.Counts.Drained)
	}
	capacity := 0
	if kind := t.Cell.Transport; kind.Known() && t.Cell.PayloadBytes > 0 && t.Cell.RingBytes > 0 {
		capacity = kind.Capacity(t.Cell.RingBytes, t.Cell.PayloadBytes)
	}
	return min(capacity+lost, max(bounded(t.Counts.Attempts), lost))
}

func bounded(n uint64) int { return int(min(n, math.MaxInt32)) }
