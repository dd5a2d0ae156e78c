// SPDX-License-Identifier: MIT

package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// ownSize: claim 4.
func ownSize(_ *Claim, e evidence) finding {
	fixed, own := e.losses("own-size", transport(vocab.Ringbuf)), e.losses("own-size", transport(vocab.RingbufOutput))
	if fixed.tried == 0 || own.tried == 0 {
		return finding{verdict: Undecidable, reason: noAttempts}
	}
	f := finding{Undecidable, fmt.Sprintf("lost of a fixed size: %s; of their own: %s", fixed, own), ""}
	switch {
	case fixed.lost == 0 && own.lost == 0:
		f.reason = "the ring had room for both"
	case own.share() >= fixed.share():
		f.verdict, f.reason = Refuted, "records of their own size are lost as often or more"
	case own.lost > 0:
		f.reason = "the ring had room for neither"
	default:
		f.verdict, f.reason = Confirmed, "only records of a fixed size are lost; how many depends on the load"
	}
	return f
}

// ringSize: claim 5.
func ringSize(_ *Claim, e evidence) finding {
	const scenario = "ring-size"
	var sizes []int // of a ring
	for _, t := range e[scenario] {
		if n := t.Cell.RingBytes; !slices.Contains(sizes, n) {
			sizes = append(sizes, n)
		}
	}
	least, most := slices.Min(sizes), slices.Max(sizes)
	of := func(kind vocab.Transport, bytes int) loss {
		return e.losses(scenario, transport(kind), func(t *record.Trial) bool { return t.Cell.RingBytes == bytes })
	}
	small, large := of(vocab.RingbufSharded, least), of(vocab.RingbufSharded, most)
	if small.tried == 0 || large.tried == 0 || least == most {
		return finding{verdict: Undecidable, reason: noAttempts}
	}
	kib := func(bytes int) string { return fmt.Sprintf("%d KiB", bytes>>10) }
	f := finding{Undecidable, fmt.Sprintf("lost, a ring of %s for each CPU: %s, of %s: %s; one ring: %s, %s", kib(least), small, kib(most), large, of(vocab.Ringbuf, least), of(vocab.Ringbuf, most)), ""}
	switch {
	case small.lost == 0 && large.lost == 0:
		f.reason = "the reader kept up: it was not the limit"
	case within(small.share(), large.share()):
		f.verdict, f.reason = Confirmed, fmt.Sprintf("the shares differ by a factor of %s; rings take bursts, not a load that lasts", times(small.share()/large.share()))
	default:
		f.verdict, f.reason = Refuted, fmt.Sprintf("the shares, %.3g %% and %.3g %%, differ by more than a factor of %g", 100*small.share(), 100*large.share(), Factor)
	}
	return f
}

// drops: claim 7.
func drops(c *Claim, e evidence) finding {
	type load struct {
		events    int
		placement vocab.Placement
	}
	var loads []load
	for _, t := range e["burst"] {
		if l := (load{t.Cell.Events, t.Cell.Placement}); !slices.Contains(loads, l) {
			loads = append(loads, l)
		}
	}
	var ours []string
	var ratios []float64
	for _, l := range loads {
		of := func(kind vocab.Transport) loss {
			return e.losses("burst", transport(kind), func(t *record.Trial) bool { return load{t.Cell.Events, t.Cell.Placement} == l })
		}
		perf, ring := of(vocab.Perf), of(vocab.Ringbuf)
		if perf.lost == 0 || ring.tried == 0 {
			continue
		}
		ratios = append(ratios, ring.share()/perf.share())
		from := "all CPUs"
		if l.placement == vocab.Hot {
			from = "one CPU"
		}
		ours = append(ours, fmt.Sprintf("%.3g %% / %.3g %% of %d from %s (%s)", 100*ring.share(), 100*perf.share(), l.events, from, times(ratios[len(ratios)-1])))
	}
	if len(ratios) == 0 {
		return finding{verdict: Undecidable, reason: "no trial of the perf buffer lost anything"}
	}
	least, most, published := slices.Min(ratios), slices.Max(ratios), c.Ratios[0]
	f := finding{Refuted, "lost, ring buffer / perf buffer: " + strings.Join(ours, ", "), ""}
	switch {
	case most > 1:
		f.reason = fmt.Sprintf("the ring buffer loses %s times as much as the perf buffer", times(most))
	case published < least || published > most:
		f.reason = fmt.Sprintf("%s is not between %s and %s", times(published), times(least), times(most))
	default:
		f.verdict, f.reason = Confirmed, fmt.Sprintf("%s to %s, by the length and the skew of the burst: the longer it is, the flatter", times(least), times(most))
	}
	return f
}

// matched: claim 8.
func matched(c *Claim, e evidence) finding {
	perf, ring := e.losses("matched-loss", transport(vocab.Perf)), e.losses("matched-loss", transport(vocab.Ringbuf))
	if perf.tried == 0 || ring.tried == 0 {
		return finding{verdict: Undecidable, reason: noAttempts}
	}
	loses := part{"loss", Undecidable, ""}
	busy := e.busy(c.Scenarios...) // then a reader that is awake may lose by that alone
	switch {
	case busy != "":
		loses.reason = busy
	case perf.lost == 0:
		loses.verdict, loses.reason = Refuted, "with the same bytes and wake-ups the perf buffer loses nothing"
	case ring.lost > 0:
		loses.reason = "both lose events: the reader keeps up with neither"
	default:
		loses.verdict, loses.reason = Confirmed, "only the perf buffer loses events"
	}
	ours := fmt.Sprintf("lost, perf buffer: %s, ring buffer: %s", perf, ring)
	takes := part{"time", Undecidable, noTimes}
	const scenario = "matched-cost"
	sides := func(f figure, clock which) ratio {
		return over(e.of(scenario, f, transport(vocab.Ringbuf), clock), e.of(scenario, f, transport(vocab.Perf), clock))
	}
	if r := sides(programNS, trusted); r.pairs > 0 {
		if takes.reason = busy; busy == "" {
			takes.verdict, takes.reason = r.hold(c.Ratios[0])
		}
		ours += fmt.Sprintf("; program's run time, ring buffer / perf buffer: %s / %s (%s)", ns(r.a), ns(r.b), times(r.mid))
	} else if r := sides(programInstructions, virtual); r.pairs > 0 {
		takes.verdict, takes.reason = r.direction(c.Ratios[0])
		ours += fmt.Sprintf("; program's instructions, ring buffer / perf buffer: %s / %s (%s)", instructions(r.a), instructions(r.b), times(r.mid))
	}
	verdict, reason := together([]part{loses, takes})
	if busy != "" {
		reason = busy
	}
	return finding{verdict, ours, reason}
}

// execve: claim 9.
func execve(_ *Claim, e evidence) finding {
	kinds := []vocab.Transport{vocab.Perf, vocab.Ringbuf, vocab.RingbufBatched}
	var ours []string
	most := 0
	for i, kind := range kinds {
		n := e.losses("execve-loop", transport(kind))
		if n.tried == 0 {
			return finding{verdict: Undecidable, reason: noAttempts}
		}
		ours = append(ours, fmt.Sprintf("%s %s", kind.Spec().Title, n))
		if i < 2 && n.share() > 0.5 {
			most++
		}
	}
	f := finding{Undecidable, "lost: " + strings.Join(ours, ", "), "one of the two loses most events, and the other does not"}
	switch most {
	case 0:
		f.verdict, f.reason = Refuted, "one record for each process start is not what loses most events"
	case 2:
		f.verdict, f.reason = Confirmed, "both lose most events with one record for each"
	}
	return f
}

// flood: claim 10.
func flood(_ *Claim, e evidence) finding {
	const scenario = "one-floods"
	var ours []string
	for _, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf, vocab.RingbufSharded, vocab.RingbufBatched} {
		if n := e.victims(scenario, transport(kind)); n.tried > 0 {
			ours = append(ours, fmt.Sprintf("%s %s", kind.Spec().Title, n))
		}
	}
	shared := e.victims(scenario, transport(vocab.Ringbuf))
	f := finding{verdict: Undecidable}
	if len(ours) > 0 {
		f.ours = "missing of the others' events: " + strings.Join(ours, ", ")
	}
	switch {
	case shared.tried == 0:
		f.reason = noVictims
	case shared.lost > 0:
		f.verdict, f.reason = Confirmed, fmt.Sprintf("%.3g %% of what the others sent is missing in the ring buffer", 100*shared.share())
	default:
		f.verdict, f.reason = Refuted, "nothing of the others is missing"
	}
	return f
}
