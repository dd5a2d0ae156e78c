// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/contention"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
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
	CPUs      int             `json:"cpus"` // of the machine
	// Demand was counted by a profile.
	Demand *contention.Demand `json:"demand,omitempty"`
	// RateHz is producers divided by the CPU time that an event takes one of them, above that
	// of a call with an empty program: the median of trials. CPU is the machine's.
	RateHz float64 `json:"rate_hz,omitempty"`
	CPU    string  `json:"cpu,omitempty"`
}

// ContentionCostsOf are those of storms at full rate: counts, of trials in VMs of several
// CPUs whose program has a profile, and rates, of trials on the host. It returns an error
// if trials of one kernel, transport, payload and number of producers differ in anything
// else, and if events were lost.
func ContentionCostsOf(trials []record.Trial) ([]ContentionCost, error) {
	type key struct {
		kernel    string
		transport vocab.Transport
		payload   int
		producers int
	}
	type group struct {
		cost    ContentionCost
		values  []string
		demands []contention.Demand
		rates   []float64
	}
	groups := map[key]*group{}
	for i := range trials {
		t := &trials[i]
		if t.Status != record.OK || t.Cell.Workload != vocab.Storm || t.Cell.RateHz != 0 {
			continue
		}
		counted := t.Profile != nil && t.Profile.Program.Per > 0 && t.Machine.Clock == record.Wall && t.Machine.CPUs > 1
		timed := t.Machine.Backend == record.Host && t.Cost != nil && t.Cost.ProducerCPUNSPerEvent > 0
		if !counted && !timed {
			continue
		}
		k := key{t.Kernel.Want, t.Cell.Transport, t.Cell.PayloadBytes, t.Cell.Producers}
		if t.Counts != nil && t.Counts.FailedTotal() > 0 {
			return nil, fmt.Errorf("contention: a trial of %s on %s with %d bytes and producers=%d lost %d of %d events, which cost less than others: measure with larger rings, --set ring_bytes_each=BYTES",
				k.transport, k.kernel, k.payload, k.producers, t.Counts.FailedTotal(), t.Counts.Started)
		}
		values := append(profile.Values(t), "configuration="+t.Cell.Configuration())
		g := groups[k]
		if g == nil {
			g = &group{values: values, cost: ContentionCost{
				Kernel: k.kernel, Release: t.Kernel.Release, Transport: k.transport, Payload: k.payload, Producers: k.producers, CPUs: t.Machine.CPUs,
			}}
			groups[k] = g
		}
		for at, value := range values {
			if value != g.values[at] {
				return nil, fmt.Errorf("contention: trials of %s on %s with %d bytes and producers=%d differ, %s and %s: give results of one plan, as contention",
					k.transport, k.kernel, k.payload, k.producers, g.values[at], value)
			}
		}
		if counted {
			g.demands = append(g.demands, contention.DemandOf(t.Profile))
		} else {
			g.cost.CPU = t.Machine.CPUModel
			g.rates = append(g.rates, float64(k.producers)*1e9/t.Cost.ProducerCPUNSPerEvent)
		}
	}
	var all []ContentionCost
	for _, g := range groups {
		if len(g.demands) > 0 {
			d := typical(g.demands)
			g.cost.Demand = &d
		}
		if len(g.rates) > 0 {
			g.cost.RateHz = verdict.Median(g.rates)
		}
		all = append(all, g.cost)
	}
	order := vocab.Transports()
	slices.SortFunc(all, func(a, b ContentionCost) int {
		return cmp.Or(slices.Compare(profile.Version(a.Release), profile.Version(b.Release)), cmp.Compare(a.Kernel, b.Kernel),
			cmp.Compare(slices.Index(order, a.Transport), slices.Index(order, b.Transport)), cmp.Compare(a.Payload, b.Payload), cmp.Compare(a.Producers, b.Producers))
	})
	return all, nil
}

// typical are the counts, to a tenth, that most trials have; of several, those with the
// most instructions: the stretches in the middle may lack a part of a call, at which the
// thread left its CPU.
func typical(trials []contention.Demand) contention.Demand {
	times := map[contention.Demand]int{}
	for i, d := range trials {
		trials[i] = contention.Demand{
			Instructions: tenth(d.Instructions), Held: tenth(d.Held), Transfers: tenth(d.Transfers), HeldTransfers: tenth(d.HeldTransfers), Locks: tenth(d.Locks),
		}
		times[trials[i]]++
	}
	return slices.MaxFunc(trials, func(a, b contention.Demand) int {
		return cmp.Or(cmp.Compare(times[a], times[b]), cmp.Compare(a.Instructions, b.Instructions))
	})
}

// sharedTable is what an event takes from other CPUs, by how many producers there are.
// Instructions are those of the fewest.
func sharedTable(all []ContentionCost) grid {
	var counted []ContentionCost
	var producers []int
	for _, c := range all {
		if c.Demand == nil {
			continue
		}
		counted = append(counted, c)
		if !slices.Contains(producers, c.Producers) {
			producers = append(producers, c.Producers)
		}
	}
	slices.Sort(producers)
	g := grid{Head: []string{"kernel", "transport", "bytes", "instructions", "under the lock"}}
	for i, n := range producers {
		head := strconv.Itoa(n)
		if i == 0 {
			head = "lines: " + plural(n, "producer")
		}
		g.Head = append(g.Head, head)
	}
	for rest := counted; len(rest) > 0; {
		first := rest[0]
		row := rest
		if end := slices.IndexFunc(rest, func(c ContentionCost) bool {
			return c.Kernel != first.Kernel || c.Transport != first.Transport || c.Payload != first.Payload
		}); end > 0 {
			row = rest[:end]
		}
		rest = rest[len(row):]
		cells := []string{
			first.Kernel, first.Transport.Spec().Title, strconv.Itoa(first.Payload),
			fmt.Sprintf("%.0f", first.Demand.Instructions), fmt.Sprintf("%.0f", first.Demand.Held),
		}
		for _, n := range producers {
			text := "-"
			if i := slices.IndexFunc(row, func(c ContentionCost) bool { return c.Producers == n }); i >= 0 {
				text = fmt.Sprintf("%.1f", row[i].Demand.Transfers)
			}
			cells = append(cells, text)
		}
		g.Rows = append(g.Rows, cells)
	}
	return g
}

// shared is a table of what several producers share, if the trials tell it; or why there is
// none.
func shared(trials []record.Trial) (tables []drawn, why string) {
	var profiled []record.Trial
	for i := range trials {
		if trials[i].Profile != nil {
			profiled = append(profiled, trials[i])
		}
	}
	all, err := ContentionCostsOf(profiled)
	if err != nil {
		return nil, "no table of what producers share: " + err.Error()
	}
	if g := sharedTable(all); len(g.Rows) > 0 {
		tables = []drawn{{Title: "what producers share, counted, an event: instructions, those under the lock, lines from other CPUs", Table: g}}
	}
	return tables, ""
}

// TransferTable is the table of the smallest events in Markdown.
func TransferTable(all []ContentionCost) string {
	g := sharedTable(slices.DeleteFunc(slices.Clone(all), func(c ContentionCost) bool { return c.Payload != smallest }))
	lines := []string{"| " + strings.Join(g.Head, " | ") + " |", "|---|---|" + strings.Repeat("---:|", len(g.Head)-2)}
	for _, row := range g.Rows {
		lines = append(lines, "| "+strings.Join(row, " | ")+" |")
	}
	return strings.Join(lines, "\n")
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
		machine, err := p.Fitted(alone, shared)
		if err != nil {
			return nil, fmt.Errorf("rates of %s: %w", p.Name, err)
		}
		tables = append(tables, modelled{p, machine, alone, shared})
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
	rates := map[of]map[int]float64{} // by the number of producers
	var order []of
	var cpu, release string
	for _, c := range all {
		if c.RateHz == 0 {
			continue
		}
		o := of{c.Transport, c.Payload}
		if rates[o] == nil {
			order = append(order, o)
			rates[o] = map[int]float64{}
		}
		rates[o][c.Producers] = c.RateHz
		cpu, release = c.CPU, c.Release
	}
	alone, shared, err := demands(all, kernel, smallest)
	if err != nil {
		return "", err
	}
	fitted := of{vocab.Ringbuf, smallest}
	var m contention.Machine
	if err := m.Fit(alone, shared, []contention.Point{{Producers: 1, Rate: rates[fitted][1]}, {Producers: 2, Rate: rates[fitted][2]}}); err != nil {
		return "", fmt.Errorf("rates of the ring buffer on the host: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, kernel %s. The time of a line, %.0f ns, is fitted to the ring buffer with events of %d bytes:\n\n", cpu, release, m.NearNS, smallest)
	b.WriteString("| transport | bytes | 1 producer, millions a second | 2 producers | by the model | error |\n|---|---:|---:|---:|---:|---:|\n")
	for _, o := range order {
		first, second := rates[o][1], rates[o][2]
		if first == 0 || second == 0 {
			continue
		}
		one, two := contention.Demand{Instructions: 1}, contention.Demand{Instructions: 1} // nothing is shared
		if o.transport == vocab.Ringbuf {
			if one, two, err = demands(all, kernel, o.payload); err != nil {
				return "", err
			}
		}
		machine := m
		machine.InstructionNS = 1e9 / first / one.Instructions
		rate := machine.Rate(one, two, 2)
		text := fmt.Sprintf("%+.0f %%", 100*(rate/second-1))
		if o == fitted {
			text = "fitted"
		}
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f | %.1f | %s |\n", o.transport.Spec().Title, o.payload, first/1e6, second/1e6, rate/1e6, text)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// ContentionChart draws the published rates of a shared ring as dots, and the model of each
// machine as a line.
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
