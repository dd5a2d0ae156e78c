// SPDX-License-Identifier: MIT

package claims

import (
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Configurations of the plan.
const (
	adaptive = "ringbuf/adaptive"
	inPlace  = "ringbuf/adaptive,reader=raw"
	unwoken  = "ringbuf/timer"
	batched  = "ringbuf/batch=64"
)

// Reasons why times decide nothing.
const (
	noTimes    = "the times of an emulated machine are none of a real one"
	noCopies   = "instructions do not know what it takes to copy from memory: want a real clock"
	noFactor   = "instructions are on the same side of 1, and their ratio is none of times: want a real clock"
	oneCPU     = "producer and reader need a CPU each"
	fewCPUs    = 8
	noVictims  = "the trials have no count of the events of others"
	noAttempts = "the trials have no counts"
)

// drain: claim 1.
func drain(c *Claim, e evidence) finding {
	f, clock, real := figure(readerNS), which(trusted), e.has(trusted)
	show, what := ns, "reader's CPU time"
	if !real {
		f, clock, show, what = readerInstructions, virtual, instructions, "reader's instructions"
	}
	var parts []part
	var ours []string
	for i, scenario := range c.Scenarios {
		size := strings.TrimPrefix(scenario, "drain-") + " B"
		r := over(e.of(scenario, f, configuration(adaptive), clock), e.of(scenario, f, configuration(inPlace), clock))
		if r.pairs == 0 {
			continue
		}
		ours = append(ours, fmt.Sprintf("%s / %s at %s (%s times)", show(r.a), show(r.b), size, times(r.mid)))
		verdict, reason := r.hold(c.Ratios[i])
		parts = append(parts, part{size, verdict, reason})
	}
	text := ""
	if len(ours) > 0 {
		text = what + " for an event, copied / in place: " + strings.Join(ours, ", ")
	}
	switch {
	case !real && e.has(virtual):
		return finding{Undecidable, text, noCopies}
	case len(parts) < len(c.Scenarios):
		return finding{Undecidable, text, noTimes}
	}
	verdict, reason := together(parts)
	return e.quiet(c, finding{verdict, text, reason})
}

// quiet is a finding by times, unless other programs disturbed them.
func (e evidence) quiet(c *Claim, f finding) finding {
	if why := e.busy(c.Scenarios...); why != "" {
		f.verdict, f.reason = Undecidable, why
	}
	return f
}

// paradox: claim 2.
func paradox(c *Claim, e evidence) finding {
	var ours []string
	var first ratio
	for i, configured := range []string{adaptive, batched} {
		w := configuration(configured)
		r := over(e.of("idle-reader", achievedHz, w, trusted), e.of("working-reader", achievedHz, w, trusted))
		if i == 0 {
			first = r
		}
		if r.pairs > 0 {
			ours = append(ours, fmt.Sprintf("%s %s / %s (%s)", configured, perSecond(r.a), perSecond(r.b), times(r.mid)))
		}
	}
	f := finding{verdict: Undecidable}
	if len(ours) > 0 {
		f.ours = "producer's rate, reader idle / working: " + strings.Join(ours, ", ")
	}
	switch {
	case first.pairs == 0:
		f.reason = noTimes
	case e.cpus() < 2:
		f.reason = oneCPU
	default:
		f.verdict, f.reason = first.hold(c.Ratios[0])
		f = e.quiet(c, f)
	}
	return f
}

// woken: claim 3.
func woken(c *Claim, e evidence) finding {
	const scenario = "wakeup"
	if r := over(e.of(scenario, programNS, configuration(adaptive), trusted), e.of(scenario, programNS, configuration(unwoken), trusted)); r.pairs > 0 {
		verdict, reason := r.hold(c.Ratios[0])
		ours := fmt.Sprintf("program's run time, woken / not: %s / %s (%s times)", ns(r.a), ns(r.b), times(r.mid))
		return e.quiet(c, finding{verdict, ours, reason})
	}
	r := over(e.of(scenario, programInstructions, configuration(adaptive), virtual), e.of(scenario, programInstructions, configuration(unwoken), virtual))
	if r.pairs == 0 {
		return finding{verdict: Undecidable, reason: noTimes}
	}
	ours := fmt.Sprintf("program's instructions, woken / not: %s / %s (%s times)", instructions(r.a), instructions(r.b), times(r.mid))
	verdict, reason := r.direction(c.Ratios[0])
	return finding{verdict, ours, reason}
}

// direction decides by instructions, which refute what is on the other side of 1.
func (r ratio) direction(published float64) (Verdict, string) {
	verdict, reason := r.hold(published)
	if verdict != Undecidable && (r.mid < 1) == (published < 1) {
		return Undecidable, noFactor
	}
	return verdict, reason
}

// rates are the producers' rates by how many there are.
func rates(e evidence, kind vocab.Transport) (text string, of map[int]float64) {
	of = map[int]float64{}
	var all []string
	for _, n := range []int{1, 2, 4, 8} {
		if hz := median(e.of("contention", achievedHz, transport(kind), producers(n), trusted)); hz > 0 {
			of[n] = hz
			all = append(all, fmt.Sprintf("%s by %d", perSecond(hz), n))
		}
	}
	return strings.Join(all, ", "), of
}

// saturation: claim 6.
func saturation(_ *Claim, e evidence) finding {
	text, of := rates(e, vocab.Ringbuf)
	f := finding{verdict: Undecidable}
	if text != "" {
		f.ours = "one ring: " + text + " producers"
	}
	inRange := func(hz float64) bool { return hz >= 1e6/Factor && hz <= 2e6*Factor }
	switch {
	case e.cpus() < fewCPUs:
		f.reason = fmt.Sprintf("eight producers need %d CPUs, and the machine has %d", fewCPUs, e.cpus())
	case of[4] == 0 || of[8] == 0:
		f.reason = noTimes
	case !inRange(of[4]) || !inRange(of[8]):
		f.verdict, f.reason = Refuted, fmt.Sprintf("%s by 4 and %s by 8 producers are not 1 to 2 M/s within a factor of %g", perSecond(of[4]), perSecond(of[8]), Factor)
	case of[8] > Factor*of[4]:
		f.verdict, f.reason = Refuted, fmt.Sprintf("8 producers are %s times as fast as 4", times(of[8]/of[4]))
	default:
		f.verdict, f.reason = Confirmed, "4 and 8 producers reach 1 to 2 M/s, and 8 hardly more than 4"
	}
	return f
}

// unpublished: claim 12.
func unpublished(_ *Claim, e evidence) finding {
	perf, _ := rates(e, vocab.Perf)
	ring, _ := rates(e, vocab.Ringbuf)
	if perf == "" || ring == "" {
		return finding{verdict: Unpublished, reason: "nothing was published; ours: none, since " + noTimes}
	}
	ours := fmt.Sprintf("perf buffer: %s; ring buffer: %s producers", perf, ring)
	return finding{Unpublished, ours, fmt.Sprintf("nothing was published; ours: on %d CPUs", e.cpus())}
}

// knee: claim 11.
func knee(c *Claim, e evidence) finding {
	var ours []string
	var first ratio
	for i, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
		r := over(e.of("past-the-knee", deliveredHz, transport(kind), trusted), e.of("below-the-knee", deliveredHz, transport(kind), trusted))
		if i == 0 {
			first = r
		}
		if r.pairs > 0 {
			ours = append(ours, fmt.Sprintf("%s %s / %s (%s)", kind.Spec().Title, perSecond(r.a), perSecond(r.b), times(r.mid)))
		}
	}
	f := finding{verdict: Undecidable}
	if len(ours) > 0 {
		f.ours = "delivered past / below the knee: " + strings.Join(ours, ", ")
	}
	switch lost := e.losses("past-the-knee", transport(vocab.Perf), trusted); {
	case first.pairs == 0:
		f.reason = noTimes
	case e.cpus() < 2:
		f.reason = oneCPU
	case e.busy(c.Scenarios...) != "":
		f.reason = e.busy(c.Scenarios...)
	case lost.lost == 0:
		f.reason = "the reader kept up with four times the load"
	case first.high < 1:
		f.verdict, f.reason = Confirmed, fmt.Sprintf("four times the load delivers %s times as many events a second", times(first.mid))
	case first.low >= 1:
		f.verdict, f.reason = Refuted, fmt.Sprintf("four times the load delivers %s times as many events a second", times(first.mid))
	default:
		_, f.reason = first.hold(0.5)
	}
	return f
}
