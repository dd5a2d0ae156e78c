// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/contention"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// ContentionCost is what several producers share with one transport on one kernel, or how
// fast they were on a machine that was not emulated.
type ContentionCost struct {
	Kernel    string          `json:"kernel"`
	Release   string          `json:"release"`
	Transport vocab.Transport `json:"transport"`
	Payload   int             `json:"payload_bytes"`
	Producers int             `json:"producers"`
	// Demand was counted by a profile.
	Demand *contention.Demand `json:"demand,omitempty"`
	// RateHz is events a second of CPU time of the producers, of CPU of the machine: the
	// median of trials.
	RateHz float64 `json:"rate_hz,omitempty"`
	CPU    string  `json:"cpu,omitempty"`
}

// ContentionCostsOf are those of all trials of storms at full rate that have a profile, or
// that were on the host.
func ContentionCostsOf(trials []record.Trial) []ContentionCost {
	type key struct {
		kernel    string
		transport vocab.Transport
		payload   int
		producers int
	}
	var all []ContentionCost
	at := map[key]int{}
	profiles, rates := map[int][]*record.Profile{}, map[int][]float64{}
	for i := range trials {
		t := &trials[i]
		host := t.Machine.Backend == record.Host
		if t.Status != record.OK || t.Cell.Workload != vocab.Storm || t.Cell.RateHz != 0 || t.Profile == nil && !host {
			continue
		}
		k := key{t.Kernel.Want, t.Cell.Transport, t.Cell.PayloadBytes, t.Cell.Producers}
		n, ok := at[k]
		if !ok {
			n = len(all)
			at[k] = n
			all = append(all, ContentionCost{Kernel: k.kernel, Release: t.Kernel.Release, Transport: k.transport, Payload: k.payload, Producers: k.producers})
		}
		switch {
		case t.Profile != nil:
			profiles[n] = append(profiles[n], t.Profile)
		case t.Cost != nil && t.Cost.ProducerCPUNSPerEvent > 0:
			all[n].CPU = t.Machine.CPUModel
			rates[n] = append(rates[n], float64(k.producers)*1e9/t.Cost.ProducerCPUNSPerEvent)
		}
	}
	for n := range all {
		if p := profiles[n]; len(p) > 0 {
			all[n].Demand = typical(p)
		}
		if r := rates[n]; len(r) > 0 {
			slices.Sort(r)
			all[n].RateHz = (r[(len(r)-1)/2] + r[len(r)/2]) / 2
		}
	}
	order := vocab.Transports()
	slices.SortStableFunc(all, func(a, b ContentionCost) int {
		return cmp.Or(slices.Compare(profile.Version(a.Release), profile.Version(b.Release)), cmp.Compare(a.Kernel, b.Kernel),
			cmp.Compare(slices.Index(order, a.Transport), slices.Index(order, b.Transport)), cmp.Compare(a.Payload, b.Payload), cmp.Compare(a.Producers, b.Producers))
	})
	return all
}

// typical are the counts, to a tenth, that most trials have; of several, those with the
// most instructions: the stretches in the middle may lack a part of a call, at which the
// thread left its CPU.
func typical(profiles []*record.Profile) *contention.Demand {
	times := map[contention.Demand]int{}
	for _, p := range profiles {
		d := contention.DemandOf(p)
		times[contention.Demand{
			Instructions: tenth(d.Instructions), Held: tenth(d.Held), Transfers: tenth(d.Transfers), HeldTransfers: tenth(d.HeldTransfers), Locks: tenth(d.Locks),
		}]++
	}
	best := contention.Demand{}
	for d, n := range times {
		if n > times[best] || n == times[best] && d.Instructions > best.Instructions {
			best = d
		}
	}
	return &best
}

// TransferTable is what an event takes from other CPUs, by how many producers there are, in
// Markdown. Instructions are those of one producer.
func TransferTable(all []ContentionCost) string {
	var producers []int
	for _, c := range all {
		if c.Demand != nil && c.Payload == smallest && !slices.Contains(producers, c.Producers) {
			producers = append(producers, c.Producers)
		}
	}
	slices.Sort(producers)
	var b strings.Builder
	b.WriteString("| kernel | transport | instructions | of them under the lock |")
	for i, n := range producers {
		if i == 0 {
			fmt.Fprintf(&b, " lines from other CPUs, %d producer |", n)
		} else {
			fmt.Fprintf(&b, " %d |", n)
		}
	}
	fmt.Fprintf(&b, "\n|---|---|%s", strings.Repeat("---:|", 2+len(producers)))
	for i, c := range all {
		d := c.Demand
		if d == nil || c.Payload != smallest {
			continue
		}
		if i == 0 || all[i-1].Demand == nil || all[i-1].Kernel != c.Kernel || all[i-1].Transport != c.Transport || all[i-1].Payload != c.Payload {
			fmt.Fprintf(&b, "\n| %s | %s | %.0f | %.0f |", c.Kernel, c.Transport.Spec().Title, d.Instructions, d.Held)
		}
		fmt.Fprintf(&b, " %.1f |", d.Transfers)
	}
	return b.String()
}

// smallest is the payload of the published rates, in bytes.
const smallest = vocab.StormEventBytes

// demands are those of the ring buffer on a kernel: of one producer, and of two.
func demands(all []ContentionCost, kernel string, payload int) (alone, shared contention.Demand, err error) {
	for _, c := range all {
		if c.Demand == nil || c.Transport != vocab.Ringbuf || c.Kernel != kernel || c.Payload != payload {
			continue
		}
		switch c.Producers {
		case 1:
			alone = *c.Demand
		case 2:
			shared = *c.Demand
		}
	}
	if alone.Locks == 0 || shared.Locks == 0 {
		return alone, shared, fmt.Errorf("contention: no counts of the ring buffer with 1 and with 2 producers on %s", kernel)
	}
	return alone, shared, nil
}

// modelled is a published table with its model.
type modelled struct {
	contention.Published
	machine       contention.Machine
	alone, shared contention.Demand
}

func modelledTables(all []ContentionCost) ([]modelled, error) {
	var tables []modelled
	for _, p := range contention.AllPublished() {
		alone, shared, err := demands(all, p.Kernel, smallest)
		if err != nil {
			return nil, err
		}
		tables = append(tables, modelled{p, p.Fitted(alone, shared), alone, shared})
	}
	return tables, nil
}

// ContentionTables are the errors of the model at the published rates, and the times that
// it was fitted to, in Markdown.
func ContentionTables(all []ContentionCost) (string, error) {
	tables, err := modelledTables(all)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| producers |")
	for i := range tables {
		fmt.Fprintf(&b, " [%s](%s) |", tables[i].Name, tables[i].Source)
	}
	fmt.Fprintf(&b, "\n|---:|%s\n", strings.Repeat("---:|", len(tables)))
	squares, numbers := make([]float64, len(tables)), make([]int, len(tables))
	for at, producers := range contention.PublishedProducers() {
		fmt.Fprintf(&b, "| %d |", producers)
		for i := range tables {
			t := &tables[i]
			p := t.Points()[at]
			fmt.Fprintf(&b, " %.1f", p.Rate/1e6)
			if producers > 1 {
				e := t.machine.Error(t.alone, t.shared, p)
				fmt.Fprintf(&b, ", %+.0f %%", 100*e)
				squares[i] += math.Log1p(e) * math.Log1p(e)
				numbers[i]++
			}
			b.WriteString(" |")
		}
		b.WriteByte('\n')
	}
	row := func(name string, text func(i int, t *modelled) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for i := range tables {
			fmt.Fprintf(&b, " %s |", text(i, &tables[i]))
		}
		b.WriteByte('\n')
	}
	row("typical error", func(i int, _ *modelled) string {
		return fmt.Sprintf("%.0f %%", 100*math.Expm1(math.Sqrt(squares[i]/float64(numbers[i]))))
	})
	row("fitted: instruction", func(_ int, t *modelled) string { return fmt.Sprintf("%.2f ns", t.machine.InstructionNS) })
	row("fitted: line, near or any", func(_ int, t *modelled) string { return fmt.Sprintf("%.0f ns", t.machine.NearNS) })
	row("fitted: line, far", func(_ int, t *modelled) string {
		if t.Complex == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f ns", t.machine.FarNS)
	})
	row("counts of", func(_ int, t *modelled) string { return t.Kernel })
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// NativeTable compares rates of the host with the model, in Markdown. Its times are fitted
// to the ring buffer with the smallest events, so that only the others test it.
func NativeTable(all []ContentionCost, kernel string) (string, error) {
	type of struct {
		transport vocab.Transport
		payload   int
	}
	rates := map[of][]contention.Point{}
	var order []of
	var cpu, release string
	for _, c := range all {
		if c.RateHz == 0 {
			continue
		}
		o := of{c.Transport, c.Payload}
		if rates[o] == nil {
			order = append(order, o)
		}
		rates[o] = append(rates[o], contention.Point{Producers: c.Producers, Rate: c.RateHz})
		cpu, release = c.CPU, c.Release
	}
	alone, shared, err := demands(all, kernel, smallest)
	if err != nil {
		return "", err
	}
	fitted := of{vocab.Ringbuf, smallest}
	var m contention.Machine
	m.Fit(alone, shared, rates[fitted])
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, kernel %s. The time of a line, %.0f ns, is fitted to the ring buffer with events of %d bytes:\n\n", cpu, release, m.NearNS, smallest)
	b.WriteString("| transport | bytes | 1 producer, millions a second | 2 producers | by the model | error |\n|---|---:|---:|---:|---:|---:|\n")
	for _, o := range order {
		points := rates[o]
		if len(points) < 2 {
			continue
		}
		one, two := contention.Demand{Instructions: 1}, contention.Demand{Instructions: 1} // nothing is shared
		if o.transport == vocab.Ringbuf {
			if one, two, err = demands(all, kernel, o.payload); err != nil {
				return "", err
			}
		}
		machine := m
		machine.InstructionNS = 1e9 / points[0].Rate / one.Instructions
		rate := machine.Rate(one, two, points[1].Producers)
		text := fmt.Sprintf("%+.0f %%", 100*(rate/points[1].Rate-1))
		if o == fitted {
			text = "fitted"
		}
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f | %.1f | %s |\n", o.transport.Spec().Title, o.payload, points[0].Rate/1e6, points[1].Rate/1e6, rate/1e6, text)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// ContentionChart draws the published rates of a shared ring as dots, the model of each
// machine as a line, and that of a ring for each producer.
func ContentionChart(all []ContentionCost) ([]byte, error) {
	tables, err := modelledTables(all)
	if err != nil {
		return nil, err
	}
	f := &figure{title: "Events a second of producers that share a ring: published (large dots) and by the model (lines)", x: "producers", y: "millions a second"}
	for i := range tables {
		t := &tables[i]
		line, dots := series{name: t.Name + ", model", mark: t.Name, number: i}, series{name: t.Name, number: i, alone: true}
		for _, p := range t.Points() {
			x := math.Log10(float64(p.Producers))
			line.x, line.y = append(line.x, x), append(line.y, math.Log10(t.machine.Rate(t.alone, t.shared, p.Producers)/1e6))
			dots.x, dots.y = append(dots.x, x), append(dots.y, math.Log10(p.Rate/1e6))
		}
		f.series = append(f.series, line, dots)
	}
	_, y := f.extent()
	f.xTicks = decades(1, 60, number)
	f.yTicks = decades(math.Pow(10, y[0]), math.Pow(10, y[1]), number)
	return f.file(), nil
}
