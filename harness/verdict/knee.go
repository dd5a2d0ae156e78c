package verdict

import "github.com/ringtwin/ringtwin/harness/record"

// Knee is the highest rate without loss of one side, in events a second: between
// the highest that lost nothing and the lowest above it that did.
type Knee struct {
	// Kept is 0 if every rate lost something, and Lost 0 if none did. Both are as
	// offered; Achieved is what the producers really made at Kept.
	Kept, Lost, Achieved float64
}

// kneeOf is that of a side's trials: nil without a sweep. A rate that lost in any
// block lost.
func kneeOf(trials []*record.Trial) *Knee {
	var k Knee
	swept := false
	for _, t := range trials {
		if t.Trial.Step == 0 {
			continue
		}
		swept = true
		if lost(t) && (k.Lost == 0 || t.Cell.RateHz < k.Lost) {
			k.Lost = t.Cell.RateHz
		}
	}
	if !swept {
		return nil
	}
	for _, t := range trials {
		if !lost(t) && t.Cell.RateHz > k.Kept && (k.Lost == 0 || t.Cell.RateHz < k.Lost) {
			k.Kept = t.Cell.RateHz
			if t.Rate != nil {
				k.Achieved = t.Rate.AchievedHz
			}
		}
	}
	return &k
}

func lost(t *record.Trial) bool { return t.Counts.FailedTotal()+t.Counts.Misses > 0 }
