// SPDX-License-Identifier: MIT

package verdict

import (
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Knee is the highest rate without loss that a sweep found for one side.
type Knee struct {
	// KeptHz is the highest rate without loss, below all rates with loss, and LostHz the
	// lowest rate with loss: the knee lies between them. Both are medians over blocks.
	// KeptHz is 0 if even the lowest rate lost events, and LostHz infinite if the highest
	// lost none.
	KeptHz, LostHz float64
	Blocks         int
	Rates          []Rate // rising
}

// Rate is the results of a side at one rate of a sweep, over all blocks.
type Rate struct {
	OfferedHz  float64
	AchievedHz float64 // median over trials: the workload may not keep up
	Trials     int
	Emitted    uint64
	Lost       uint64
	Delivered  uint64
}

// Goodput is the share of the events that was delivered.
func (r *Rate) Goodput() float64 { return float64(r.Delivered) / float64(max(r.Emitted, 1)) }

// Loss is the share of the events that was lost.
func (r *Rate) Loss() float64 { return float64(r.Lost) / float64(max(r.Emitted, 1)) }

// kneeOf is nil where no rates were swept.
func kneeOf(trials []*record.Trial) *Knee {
	byRate, achieved := map[float64]*Rate{}, map[float64][]float64{}
	var kept, lost []float64
	for _, b := range sameBlocks(trials, nil) {
		k, l, ok := bracket(b.a)
		if !ok {
			continue
		}
		kept, lost = append(kept, k), append(lost, l)
		for _, t := range b.a {
			if t.Counts == nil {
				continue
			}
			rate := byRate[t.Cell.RateHz]
			if rate == nil {
				rate = &Rate{OfferedHz: t.Cell.RateHz}
				byRate[t.Cell.RateHz] = rate
			}
			rate.Trials++
			rate.Emitted += sent(t)
			rate.Lost += t.Counts.FailedTotal()
			rate.Delivered += t.Counts.Delivered
			if t.Rate != nil {
				achieved[t.Cell.RateHz] = append(achieved[t.Cell.RateHz], t.Rate.AchievedHz)
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	knee := &Knee{KeptHz: Median(kept), LostHz: Median(lost), Blocks: len(kept)}
	for hz, rate := range byRate {
		rate.AchievedHz = Median(achieved[hz])
		knee.Rates = append(knee.Rates, *rate)
	}
	slices.SortFunc(knee.Rates, func(a, b Rate) int {
		if a.OfferedHz < b.OfferedHz {
			return -1
		}
		return 1
	})
	return knee
}

// bracket is the knee of one block, and false where it swept no rates.
func bracket(trials []*record.Trial) (kept, lost float64, ok bool) {
	lost = math.Inf(1)
	for _, t := range trials {
		if t.Trial.Step == 0 || t.Counts == nil {
			continue
		}
		ok = true
		if t.Counts.FailedTotal() > 0 {
			lost = min(lost, t.Cell.RateHz)
		}
	}
	for _, t := range trials {
		if t.Trial.Step > 0 && t.Counts != nil && t.Counts.FailedTotal() == 0 && t.Cell.RateHz < lost {
			kept = max(kept, t.Cell.RateHz)
		}
	}
	return kept, lost, ok
}

// compareKnees compares the knees of the blocks: a sweep's only figure.
func compareKnees(blocks []blockPair, labels [2]string) Row {
	pairs := make([]pair, len(blocks))
	at := func(trials []*record.Trial) []float64 {
		if kept, _, ok := bracket(trials); ok {
			return []float64{kept}
		}
		return nil
	}
	for i, b := range blocks {
		pairs[i] = pair{at(b.a), at(b.b)}
	}
	row := compareValues(knee(), pairs, slices.Clone(pairs), blocks[0].a[0].Machine.Clock == record.Virtual)
	row.decide(labels)
	return row
}
