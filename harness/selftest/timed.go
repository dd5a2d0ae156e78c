// SPDX-License-Identifier: MIT

package selftest

import (
	"fmt"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

const (
	// hostError is how far what was recovered may be from what was injected, as a
	// share of it, where the host's clock is read; virtualError where instructions
	// are counted: the figures have some digits, and the timer interrupts.
	hostError    = 0.10
	virtualError = 0.01
	// hostRange is how far all of a host's interval may be: more than half of what was
	// injected, and less than half as much again. Rounds of an idle host of two virtual CPUs vary by 15 %.
	hostRange = 0.5
)

// rounds of an experiment on a host, always as many: who measures on until it fits
// has shown nothing. In virtual time all would be the same.
const rounds = 21

// The interval of a host leaves out as many rounds at either end. It holds the true
// median in 97 of 100 experiments, however the rounds are distributed:
// 1 - 2 P(Binomial(21, 1/2) < 6).
const outside = 5

// quick is how many rounds are the quickest: a seventh. What disturbs a trial only makes
// it slower, and two CPUs of a core do so to each other by half, for seconds. Of 30
// experiments on an idle host the ratio of means of three was within 8 % of the truth each
// time, with a standard deviation of 2.5 %; the median of the rounds' ratios was 21 % off.
const quick = 3

// quickest is, of each amount, the mean of its quickest rounds.
func quickest(all [][]float64) []float64 {
	means := make([]float64, len(all[0]))
	n := (len(all)*quick + rounds - 1) / rounds
	for i := range means {
		var figures []float64
		for _, round := range all {
			figures = append(figures, round[i])
		}
		slices.Sort(figures)
		for _, figure := range figures[:n] {
			means[i] += figure / float64(n)
		}
	}
	return means
}

// timing is an experiment that was repeated. Its figures are shares of what was
// injected.
type timing struct {
	// recovered of the quickest rounds, and of each: 1 if that is all, and no more.
	quickest  float64
	recovered []float64
	// again is by how much two trials of the same, one after the other, differ.
	again     []float64
	disturbed Disturbance
}

// within is the interval of what was recovered.
func (t *timing) within() (low, high float64) {
	sorted := slices.Sorted(slices.Values(t.recovered))
	skip := outside * len(sorted) / rounds
	return sorted[skip], sorted[len(sorted)-1-skip]
}

// quiet reports whether nothing but the fault explains what was recovered: the threads ran
// when they could, and neighbours that should have been equal were, in the median, within
// half of the error that is allowed.
func (t *timing) quiet() bool { return t.disturbed.Quiet() && median(t.again) <= hostError/2 }

// onHost is the answer where the host's clock was read. For a yes the quickest rounds have
// to be right, and all to agree; for a no all of the interval has to be wrong, on a host
// that was quiet.
func (t *timing) onHost() Answer {
	low, high := t.within()
	switch {
	case math.Abs(t.quickest-1) <= hostError && low >= 1-hostRange && high <= 1+hostRange:
		return Found
	case (high < 1-hostError || low > 1+hostError) && t.quiet():
		return NotFound
	}
	return TooBusy
}

func (t *timing) disturbance() string {
	return fmt.Sprintf("%s, neighbours differ by %.2g %%", t.disturbed, 100*median(t.again))
}

// result says what came of an experiment: one round of it in virtual time.
func (o *Options) result(t *timing, injected, recovered string) Result {
	if o.Virtual {
		return Result{
			Injected: injected, Recovered: fmt.Sprintf("%s (within %g %%)", recovered, 100*virtualError),
			Answer: answer(!slices.ContainsFunc(t.recovered, func(share float64) bool { return math.Abs(share-1) > virtualError })),
		}
	}
	low, high := t.within()
	return Result{
		Injected: injected, Recovered: fmt.Sprintf("%s (within %g %%; rounds %.3f to %.3f, within %g %%)", recovered, 100*hostError, low, high, 100*hostRange),
		Answer: t.onHost(), Disturbed: t.disturbance(),
	}
}

// repeated are the cells of an experiment with each amount of a fault, in rounds.
// Every other round goes through the amounts backwards, so that a host that becomes
// slower or faster does not favour one, and so that the last trial of a round and the
// first of the next are of the same.
func (o *Options) repeated(cell record.Cell, fault vocab.FaultKind, amounts ...int) []record.Cell {
	n := rounds
	if o.Virtual {
		n = 1
	}
	var cells []record.Cell
	for round := range n {
		for i := range amounts {
			cells = append(cells, with(cell, fault, amounts[inOrder(round, i, len(amounts))]))
		}
	}
	return cells
}

// inOrder is which of n amounts is the ith of a round.
func inOrder(round, i, n int) int {
	if round%2 == 1 {
		return n - 1 - i
	}
	return i
}

// figures are those of the trials of n amounts, by round and amount.
func (t *timing) figures(trials []*record.Trial, n int, of func(*record.Trial) float64) [][]float64 {
	var all [][]float64
	for round := range len(trials) / n {
		figures := make([]float64, n)
		for i := range n {
			trial := trials[round*n+i]
			t.disturbed.Add(trial)
			figures[inOrder(round, i, n)] = of(trial)
		}
		all = append(all, figures)
	}
	return all
}

// neighbours fills in by how much the trials of the same, at the border of two
// rounds, differ, as a share of what was injected.
func (t *timing) neighbours(all [][]float64, injected float64) {
	for round := range len(all) - 1 {
		i := len(all[round]) - 1 // where an even round ends
		if round%2 == 1 {
			i = 0
		}
		t.again = append(t.again, math.Abs(all[round+1][i]-all[round][i])/injected)
	}
}

// A delay of firstUS is injected, and then one of delayUS more.
const (
	firstUS     = 200
	delayUS     = 400
	delayEvents = 100
)

// delay compares the median latencies under two delays. The reader causes each event
// itself, when it has read the one before: so no scheduler decides when it runs,
// which a reader that is busy longer may have to wait for.
func (o *Options) delay(cell record.Cell) experiment {
	cell.Placement, cell.Events = vocab.BackToBack, delayEvents
	cells := o.repeated(cell, vocab.Delay, firstUS, firstUS+delayUS)
	return experiment{vocab.Delay, cells, func(trials []*record.Trial) Result {
		t := &timing{}
		all := t.figures(trials, 2, func(t *record.Trial) float64 { return float64(t.Latency.P50) / 1000 })
		for _, us := range all {
			t.recovered = append(t.recovered, (us[1]-us[0])/delayUS)
		}
		us := quickest(all)
		t.quickest = (us[1] - us[0]) / delayUS
		t.neighbours(all, delayUS)
		return o.result(t, fmt.Sprintf("%d us, then %d more", firstUS, delayUS), fmt.Sprintf("%.1f us", us[1]-us[0]))
	}}
}

// So many turns of the loop in the program are added, and then as many again. In virtual
// time no stretch of a trial may be as long as a tick of the kernel's timer.
const (
	hostTurns    = 6000
	virtualTurns = 2000
)

func (o *Options) turns() int {
	if o.Virtual {
		return virtualTurns
	}
	return hostTurns
}

// leastTurn is less than a turn of the loop takes any CPU, in ns.
const leastTurn = 0.05

// work compares the cost of once and twice as many turns of a loop: the second must
// add what the first did. Nobody is woken, which would cost more than either.
func (o *Options) work(cell record.Cell) experiment {
	cell.Policy, cell.FlushMS = vocab.Policy(vocab.Timer), 10
	return experiment{vocab.Work, o.repeated(cell, vocab.Work, 0, o.turns(), 2*o.turns()), o.judgeWork}
}

// cost is what an event costs the producer: the program's run time as the kernel has
// it, or in virtual time the instructions, without those of the timer's interrupts. On a
// host these vary by a tenth, with what a trigger takes that does nothing.
func (o *Options) cost(t *record.Trial) float64 {
	if o.Virtual {
		return t.Cost.ProducerCPUMedianNSPerEvent
	}
	return t.Cost.ProducerNSPerEvent
}

func (o *Options) judgeWork(trials []*record.Trial) Result {
	t, turns := &timing{}, float64(o.turns())
	all := t.figures(trials, 3, o.cost)
	share := func(ns []float64) float64 {
		first, second := ns[1]-ns[0], ns[2]-ns[1]
		if first <= leastTurn*turns {
			return 0 // of nothing
		}
		return second / first
	}
	for _, ns := range all {
		t.recovered = append(t.recovered, share(ns))
	}
	ns := quickest(all)
	t.quickest = share(ns)
	once := ns[1] - ns[0]
	t.neighbours(all, max(once, leastTurn*turns))
	turn, unit := once/turns, "ns"
	if o.Virtual {
		unit = "instructions"
		// Each turn takes as many, whole ones.
		t.recovered = append(t.recovered, turn/max(math.Round(turn), 1))
	}
	return o.result(t, fmt.Sprintf("%d turns, then as many", o.turns()), fmt.Sprintf("%.2f %s a turn, then %.3f of that", turn, unit, t.quickest))
}

// median is that of any number but none.
func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
