// SPDX-License-Identifier: MIT

package size

import (
	"math"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

func TestMeasured(t *testing.T) {
	trial := func(kind vocab.Transport, hz float64, ringBytes int, attempts, lost, drained uint64) record.Trial {
		return record.Trial{
			Status: record.OK,
			Cell:   record.Cell{Transport: kind, PayloadBytes: 120, RingBytes: ringBytes},
			Counts: &record.Counts{Attempts: attempts, Drained: drained, Failed: map[string]uint64{"EAGAIN": lost}},
			Rate:   &record.Rate{AchievedHz: hz},
		}
	}
	broken := trial(vocab.Ringbuf, 9e6, 4096, 1000, 900, 0)
	broken.Status = record.Invalid
	larger := trial(vocab.Ringbuf, 0, 4096, 10, 0, 0)
	larger.Cell.PayloadBytes = 4000
	for _, test := range []struct {
		name   string
		trials []record.Trial
		want   Load
	}{
		{"nothing waited", []record.Trial{trial(vocab.Perf, 999.5, 4096, 100, 0, 0)}, Load{RateHz: 1000, EventBytes: 120}},
		{"drained", []record.Trial{trial(vocab.Perf, 1000, 1<<20, 500, 0, 40), trial(vocab.Perf, 2000, 1<<20, 500, 0, 20)}, Load{RateHz: 2000, Burst: 40, EventBytes: 120}},
		{"lost: what the ring took, too", []record.Trial{trial(vocab.Ringbuf, 1, 4096, 1000, 100, 5)}, Load{RateHz: 1, Burst: 131, EventBytes: 120}},
		{"no more than was sent", []record.Trial{trial(vocab.Ringbuf, 1, 1<<20, 1000, 100, 5)}, Load{RateHz: 1, Burst: 1000, EventBytes: 120}},
		{"another transport", []record.Trial{trial("carrier-pigeon", 1, 4096, 1000, 100, 5)}, Load{RateHz: 1, Burst: 100, EventBytes: 120}},
		{"not measured, and larger", []record.Trial{broken, {Status: record.Lost}, larger}, Load{EventBytes: 4000}},
	} {
		if got, err := Measured(test.trials); err != nil || *got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, err, test.want)
		}
	}
	for name, trials := range map[string][]record.Trial{
		"none":          nil,
		"none measured": {broken},
		"infinite":      {trial(vocab.Perf, math.Inf(1), 4096, 1, 0, 0)},
		"no number":     {trial(vocab.Perf, math.NaN(), 4096, 1, 0, 0)},
		"too many":      {trial(vocab.Perf, 1, 4096, math.MaxUint64, math.MaxUint64, 0)},
	} {
		if got, err := Measured(trials); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
