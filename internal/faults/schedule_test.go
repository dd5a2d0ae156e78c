// SPDX-License-Identifier: MIT

package faults

import (
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// stage is a part of the tool's run in which a fault injects.
type stage string

// The stages. The status of a fault depends on them: a machine that is not ready yet has
// failed to boot.
const (
	start   stage = "start"   // before the tool is started
	boot    stage = "boot"    // of every machine, with --cold
	save    stage = "save"    // the boot of a machine that is then saved
	restore stage = "restore" // of a machine that was saved
	look    stage = "look"    // probe and comparison
	second  stage = "second"  // from the second restore on, to the first trial
	measure stage = "measure" // trials
)

// moments are the tool's output when a stage begins, and the minimum duration of the
// stage: a fault is injected at a random time in it.
var moments = map[stage][]struct {
	says string
	nth  int // of the lines that say so
	long time.Duration
}{
	start: {{"", 0, 1}},
	boot:  {{"boot", 1, 2 * time.Second}},
	save:  {{"boot, and save the machine", 1, 2500 * time.Millisecond}},
	restore: {
		{"restore", 1, 130 * time.Millisecond},
		{"restore", 2, 130 * time.Millisecond},
	},
	look: {
		{"probe", 1, 200 * time.Millisecond},
		{"same programs", 1, 400 * time.Millisecond},
	},
	second: {
		{"restore", 2, 130 * time.Millisecond},
		{"warm-up", 1, 400 * time.Millisecond},
	},
	measure: {
		{"warm-up", 1, 500 * time.Millisecond},
		{"trial 1 of 4", 1, 150 * time.Millisecond},
		{"trial 2 of 4", 1, 150 * time.Millisecond},
		{"trial 3 of 4", 1, 50 * time.Millisecond},
	},
}

// shot is one fault at one time.
type shot struct {
	fault *fault
	n     int // of the fault's runs, from 0
	stage stage
	says  string // the fault is injected this long after the tool has printed this
	nth   int
	delay time.Duration
	// blocks of four trials that are to be measured.
	blocks int
	seed   uint64 // of what else the fault chooses
}

// cold reports whether no machine is saved or restored.
func (s *shot) cold() bool { return s.stage == boot }

// schedule is a function of the seed, the fault and the number of runs.
func schedule(f *fault, seed uint64, runs int) []*shot {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(f.name)) // never fails
	random := rand.New(rand.NewPCG(seed, hash.Sum64()))
	var shots []*shot
	for n := range runs {
		s := &shot{fault: f, n: n, blocks: 1, seed: random.Uint64()}
		s.stage = pick(random, f.stages)
		moment := moments[s.stage][random.IntN(len(moments[s.stage]))]
		s.says, s.nth = moment.says, moment.nth
		s.delay = time.Duration(random.Int64N(int64(moment.long)))
		// The first block goes on with the machine that was looked at.
		if s.stage == measure && random.IntN(4) == 0 || s.says == "restore" && s.nth > 1 {
			s.blocks = 2
		}
		shots = append(shots, s)
	}
	return shots
}

// weight is the relative frequency of a stage.
type weight struct {
	stage stage
	parts int
}

func pick(random *rand.Rand, from []weight) stage {
	sum := 0
	for _, w := range from {
		sum += w.parts
	}
	n := random.IntN(sum)
	for _, w := range from {
		if n -= w.parts; n < 0 {
			return w.stage
		}
	}
	panic("unreachable")
}

// TestSchedule: a seed gives the same faults at the same times, for any number of runs,
// and another seed gives others.
func TestSchedule(t *testing.T) {
	for _, f := range faults {
		once, again, other := schedule(f, 1, 20), schedule(f, 1, 30), schedule(f, 2, 20)
		if !reflect.DeepEqual(once, again[:20]) {
			t.Errorf("%s: one seed, two schedules", f.name)
		}
		if reflect.DeepEqual(once, other) {
			t.Errorf("%s: two seeds, one schedule", f.name)
		}
	}
}
