// SPDX-License-Identifier: MIT

package selftest

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Disturbance is what kept the threads of some trials from running. The zero value means
// none.
type Disturbance struct {
	trials     int
	durationNS int64
	sum        record.Disturbance
}

// Add adds a trial that was measured.
func (d *Disturbance) Add(t *record.Trial) {
	if t.Rate == nil || t.Disturbance == nil {
		return
	}
	d.trials++
	d.durationNS += t.Rate.DurationNS
	d.sum.StealNS += t.Disturbance.StealNS
	d.sum.RunDelayNS += t.Disturbance.RunDelayNS
	d.sum.ForcedSwitches += t.Disturbance.ForcedSwitches
}

// mostLost is the maximum share of time for which threads are kept from running on a
// quiet host. It is 7 to 15 % on an idle host of two virtual CPUs, by this program's own
// threads, and 31 to 37 % beside a single busy thread.
const mostLost = 0.2

// Quiet reports whether the threads ran for almost all of the time that they were ready.
func (d *Disturbance) Quiet() bool { return d.lost() <= mostLost }

// lost is the share of the trials' time for which threads were kept from running.
func (d *Disturbance) lost() float64 {
	return float64(d.sum.StealNS+d.sum.RunDelayNS) / float64(max(d.durationNS, 1))
}

func (d Disturbance) String() string {
	share := func(ns int64) float64 { return 100 * float64(ns) / float64(max(d.durationNS, 1)) }
	return fmt.Sprintf("stolen %.2g %% of the time, waiting for a CPU %.2g %%, %d forced switches in %d trials",
		share(d.sum.StealNS), share(d.sum.RunDelayNS), d.sum.ForcedSwitches, d.trials)
}
