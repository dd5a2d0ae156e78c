// SPDX-License-Identifier: MIT

package selftest

import (
	"fmt"
	"math"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

const (
	// hostError is the allowed relative error of the recovered fault by the host's clock,
	// and virtualError that in counted instructions, where figures are rounded and the
	// timer interrupts.
	hostError    = 0.10
	virtualError = 0.01
	// hostRange bounds a host's whole interval: between 0.5 and 1.5 times what was
	// injected. Rounds of an idle host of two virtual CPUs vary by 15 %.
	hostRange = 0.5
)

// rounds of an experiment on a host. The number is fixed, because measuring until the
// result fits proves nothing. In virtual time all rounds would be the same.
const rounds = 21

// The interval of a host excludes this many rounds at each end. It contains the true
// median in 97 of 100 experiments, for any distribution of the rounds: 1 - 2
// P(Binomial(21, 1/2) < 6).
const outside = 5

// quick is the number of the quickest rounds: a seventh. Disturbances only make a trial
// slower; two CPUs of a core slow each other by half, for seconds. Of 30 experiments on
// an idle host the ratio of means of three was within 8 % of the truth each time, with a
// standard deviation of 2.5 %; the median of the rounds' ratios was 21 % off.
const quick = 3

// quickest is the mean of the quickest rounds of each amount.
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

// timing is a repeated experiment. Its figures are relative to what was injected.
type timing struct {
	// recovered from the quickest rounds, and from each: 1 if exactly what was injected.
	quickest  float64
	recovered []float64
	// again is by how much two consecutive trials of the same amount differ.
	again     []float64
	disturbed Disturbance
}

// within is the interval of the recovered shares.
func (t *timing) within() (low, high float64) {
	sorted := slices.Sorted(slices.Values(t.recovered))
	skip := outside * len(sorted) / rounds
	return sorted[skip], sorted[len(sorted)-1-skip]
}

// quiet reports whether only the fault explains the result: the threads ran when they
// were ready, and neighbours that should be equal differed, in the median, by less than
// half of the allowed error.
func (t *timing) quiet() bool { return t.disturbed.Quiet() && verdict.Median(t.again) <= hostError/2 }

// onHost is the answer by the host's clock. Found requires that the quickest rounds are
// right and the interval agrees. NotFound requires that the whole interval is wrong, on a
// quiet host.
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
	return fmt.Sprintf("%s, neighbours differ by %.2g %%", t.disturbed, 100*verdict.Median(t.again))
}

// result evaluates an experiment, which has one round in virtual time.
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

// repeated are the cells of an experiment with each amount of a fault, in rounds. Every
// other round goes through the amounts backwards, so that a host that becomes slower or
// faster does not favour one, and so that the last trial of a round and the first of the
// next have the same amount.
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

// inOrder returns which of n amounts is the ith of a round.
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

// neighbours fills in the difference of the trials of the same amount at the border of
// two rounds, relative to what was injected.
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

// The number of added turns of the program's loop, which is then doubled. In virtual time
// each stretch of a trial must be shorter than a tick of the kernel's timer.
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

// leastTurn is a lower bound of the time of a loop turn on any CPU, in ns.
const leastTurn = 0.05

// work compares the cost of once and twice as many turns of a loop: the second half must
// cost as much as the first. No reader is woken, which would cost more than either.
func (o *Options) work(cell record.Cell) experiment {
	cell.Policy, cell.FlushMS = vocab.Policy(vocab.Timer), 10
	return experiment{vocab.Work, o.repeated(cell, vocab.Work, 0, o.turns(), 2*o.turns()), o.verifyWork}
}

// cost is the producer's cost of an event: the program's run time by the kernel, or in
// virtual time the instructions, without those of timer interrupts. On a host the latter
// vary by a tenth, with the cost of an empty trigger.
func (o *Options) cost(t *record.Trial) float64 {
	if o.Virtual {
		return t.Cost.ProducerCPUMedianNSPerEvent
	}
	return t.Cost.ProducerNSPerEvent
}

func (o *Options) verifyWork(trials []*record.Trial) Result {
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
		// Each turn takes the same whole number of instructions.
		t.recovered = append(t.recovered, turn/max(math.Round(turn), 1))
	}
	return o.result(t, fmt.Sprintf("%d turns, then as many", o.turns()), fmt.Sprintf("%.2f %s a turn, then %.3f of that", turn, unit, t.quickest))
}
