// SPDX-License-Identifier: MIT

package plan

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/ringtwin/ringtwin/harness/agents"
	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Configuration is one pair of cells to compare.
type Configuration struct {
	Number   int // of the plan, from 0
	Scenario string
	Cells    [2]record.Cell // A and B
	Sweep    *Sweep
	// Shows is its purpose: [record.ShowsDelivery], [record.ShowsCosts], or empty for
	// both.
	Shows string
}

// point is a configuration before the number of CPUs is known.
type point struct {
	pair  Pair
	cell  record.Cell // what both sides share
	bytes int         // of the rings
	sweep *Sweep
	shows string
}

// trials is the minimum number of trials on one kernel.
func (p *Plan) trials() int {
	n := 0
	for _, s := range p.scenarios() {
		product := pairs * len(orders[0])
		if s.Sweep != nil {
			product = 2 * s.Sweep.trials()
		}
		lengths := []int{len(s.Pairs), len(s.RingBytesTotal) + len(s.RingBytesEach), max(p.Blocks, 1)}
		for _, x := range axis.All() {
			if x.Name != axis.Rate || s.Sweep == nil {
				lengths = append(lengths, len(s.Values[x.Name]))
			}
		}
		for _, length := range lengths {
			product = min(product*length, math.MaxInt32) // rejected at a much lower number
		}
		n += product
	}
	return n
}

// points multiplies the axes; the last changes fastest, except for the rings and the
// pairs.
func (s *Scenario) points() []point {
	points := []point{{sweep: s.Sweep, shows: s.Shows}}
	for _, x := range axis.All() {
		if x.Name == axis.Rate && s.Sweep != nil {
			continue // each step has one
		}
		points = times(points, s.Values[x.Name], func(p *point, v string) { x.Set(&p.cell, v) })
	}
	var sized []point
	sized = append(sized, times(points, s.RingBytesTotal, func(p *point, v int) { p.cell.Equal, p.bytes = vocab.EqualTotal, v })...)
	sized = append(sized, times(points, s.RingBytesEach, func(p *point, v int) { p.cell.Equal, p.bytes = vocab.EqualEach, v })...)
	return times(sized, s.Pairs, func(p *point, v Pair) { p.pair = v })
}

// times returns each point with each value.
func times[T any](points []point, values []T, set func(*point, T)) []point {
	all := make([]point, 0, len(points)*len(values))
	for _, p := range points {
		for _, v := range values {
			set(&p, v)
			all = append(all, p)
		}
	}
	return all
}

// Configurations returns all configurations of the plan on a machine of cpus CPUs, in
// order. The error of an impossible cell has the formula that it violates.
func (p *Plan) Configurations(cpus int) ([]Configuration, error) {
	return p.Wanted(cpus, func(*Configuration) bool { return true })
}

// Wanted returns the configurations that a function selects by all but their cells. Only
// these need to be possible.
func (p *Plan) Wanted(cpus int, wants func(*Configuration) bool) ([]Configuration, error) {
	number := 0
	var all []Configuration
	for _, s := range p.scenarios() {
		for _, at := range s.points() {
			config := Configuration{Number: number, Scenario: s.Name, Sweep: at.sweep}
			number++
			if at.shows != ShowsAll {
				config.Shows = at.shows
			}
			if !wants(&config) {
				continue
			}
			for i, side := range at.pair {
				cell, err := at.cellOf(side, p.Attach, cpus)
				if err != nil {
					name := p.Name
					if s.Name != "" {
						name += ", scenario " + s.Name
					}
					return nil, fmt.Errorf("plan %s: %s on %s: %w", name, side, plural(cpus, "CPU"), err)
				}
				config.Cells[i] = cell
			}
			all = append(all, config)
		}
	}
	return all, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cellOf is one side of the point on a machine of cpus CPUs.
//
// It is an error if the rings would be too small for one event, or if one loss
// would wedge the perf buffer: a later event then needs room for itself and a
// 24-byte PERF_RECORD_LOST, which a ring that small never has, so every output
// fails forever.
func (at *point) cellOf(side Side, attach vocab.Attach, cpus int) (record.Cell, error) {
	kind, cell := side.Transport, at.cell
	each := 0
	_ = side.eachOwn(func(key, value string) error { // checked when it was read
		if key == RingBytes {
			each, _ = strconv.Atoi(value)
		} else if x, ok := axis.Named(key); ok {
			x.Set(&cell, value)
		}
		return nil
	})
	cell.Transport, cell.Policy, cell.Attach = kind, side.Policy, attach
	if a, ok := agents.Named(side.Agent); ok {
		if cell.Agent = a.ID; a.RingBytes != nil {
			each = a.RingBytes(cpus)
		}
	}
	if err := at.fit(&cell, cpus); err != nil {
		return cell, err
	}
	rings := kind.Rings(cpus, cell.Shards)
	switch {
	case each > 0: // its own
	case cell.Equal == vocab.EqualTotal:
		each = floorPowerOfTwo(at.bytes / rings)
	default:
		each = at.bytes
	}
	cell.RingBytes, cell.RingBytesTotal = each, each*rings
	share := cell.Batch * cell.Producers
	cell.Events -= cell.Events % share
	n := cell.PayloadBytes
	footprint := kind.FootprintBytes(n)
	family := kind.Spec().Family
	least := cell.Workload.LeastBytes()
	switch need := footprint + family.LossBytes; {
	case cell.Events == 0:
		return cell, fmt.Errorf("%d events are not one batch for each producer: %d x %d = %d", at.cell.Events, cell.Batch, cell.Producers, share)
	case cell.Events > record.MostKept && !cell.TotalsOnly():
		return cell, fmt.Errorf("%d events, at most %d whose order and content are checked (content=bare counts more)", cell.Events, record.MostKept)
	case n < least:
		return cell, fmt.Errorf("events of %d bytes, one of %s has %d at least", n, cell.Workload, least)
	case cell.Workload != vocab.Storm && cell.Batch > 1:
		return cell, fmt.Errorf("batch of %d: an %s is one event", cell.Batch, cell.Workload)
	case cell.Workload != vocab.Storm && cell.Placement == vocab.BackToBack:
		return cell, fmt.Errorf("%s: only a storm has a trigger that the reader can pull", vocab.BackToBack)
	case vocab.CheckRingBytes(each, vocab.PageBytes) != nil:
		return cell, vocab.CheckRingBytes(each, vocab.PageBytes)
	case family.MostRingBytes > 0 && each > family.MostRingBytes:
		return cell, fmt.Errorf("a ring of %d bytes, at most %d: older kernels limit the value of an array", each, family.MostRingBytes)
	case kind.Capacity(each, n) < 1:
		return cell, fmt.Errorf("an event of %d bytes takes %d in a ring of %d: %d-1 < %d", n, footprint, each, each, footprint)
	case family.LossBytes > 0 && need > each-1:
		return cell, fmt.Errorf("after one loss an event of %d bytes needs %d in a ring of %d, and is refused forever: %d > %d-1", n, need, each, need, each)
	case cell.Placement == vocab.BackToBack && kind.Capacity(each, n) < cell.Batch:
		return cell, fmt.Errorf("%s: a batch of %d does not fit: a ring of %d bytes holds %d events of %d", vocab.BackToBack, cell.Batch, each, kind.Capacity(each, n), n)
	case cell.Placement == vocab.BackToBack && cell.ReaderStallMS == record.UntilOver:
		return cell, fmt.Errorf("%s: the reader is the producer, and cannot sleep until it has ended", vocab.BackToBack)
	case cell.Placement == vocab.BackToBack && (cell.RateHz != 0 || at.sweep != nil || cell.Producers != 1):
		return cell, fmt.Errorf("%s: the reader is the only producer, and has no rate", vocab.BackToBack)
	case cell.Placement == vocab.BackToBack && (family.Overwrites || family.Stages || family.Totals || cell.Flood > 0):
		return cell, fmt.Errorf("%s: the reader would wait for events that do not reach it", vocab.BackToBack)
	}
	if err := kind.CheckPolicy(side.Policy, each, n); err != nil {
		return cell, err
	}
	if family.Stages {
		cell.Stage = cell.Stage.For(n, each)
		if err := cell.Stage.CheckFor(n, cell.Events/cell.Producers, each); err != nil {
			return cell, err
		}
	}
	if nobody := side.Policy.Kind() == vocab.Timer && cell.ReaderOrDefault().Spec().Waits || cell.ReaderOrDefault() == vocab.Ticker; nobody && cell.FlushMS == 0 {
		return cell, fmt.Errorf("%s: nobody would ever read: want flush_ms above 0", cell.Configuration())
	}
	return cell, nil
}

// fit checks the values that are not of every transport, workload and machine, and leaves
// out those of other transports, so that both sides of a pair can have the same.
func (at *point) fit(cell *record.Cell, cpus int) error {
	family := cell.Transport.Spec().Family
	if cell.Reader == cell.Transport.DefaultReader() {
		cell.Reader = ""
	}
	if !family.Sharded {
		cell.Shards = ""
	}
	if !family.Stages {
		cell.Stage = ""
	}
	if cell.Sizes != "" {
		cell.PayloadBytes = cell.Sizes.Most()
	}
	switch storm := cell.Workload == vocab.Storm; {
	case !storm && cell.Content == vocab.Bare:
		return errors.New("bare events: only those of a storm can be")
	case !storm && cell.Sizes != "":
		return errors.New("sizes: only the events of a storm have several")
	case !storm && cell.Flood > 0:
		return errors.New("flood: only a storm has a producer that floods")
	case cell.Sizes != "" && family.OneSize:
		return fmt.Errorf("sizes: all events of %s have the same", cell.Transport)
	case cell.Sizes != "" && cell.Content == vocab.Bare:
		return errors.New("sizes: bare events have no number that would say theirs")
	case cell.Flood > 0 && cell.Content == vocab.Bare:
		return errors.New("flood: of bare events nobody knows whose they are")
	case cell.Flood > 0 && cell.PayloadBytes < 24:
		return fmt.Errorf("flood: an event of %d bytes does not say whose it is, one of 24 does", cell.PayloadBytes)
	case cell.Reader.Spec().Merges && (cell.Content == vocab.Bare || storm && cell.PayloadBytes < 16):
		return fmt.Errorf("reader %s: the events have no time stamp", cell.Reader)
	}
	errs := []error{cell.Transport.CheckReader(cell.Reader), cell.Offline.CheckFor(cpus)}
	if family.Sharded {
		errs = append(errs, cell.Shards.CheckFor(cpus))
	}
	return errors.Join(errs...)
}

func floorPowerOfTwo(n int) int {
	size := 1
	for size*2 <= n {
		size *= 2
	}
	return size
}

func ceilPowerOfTwo(n int) int {
	size := floorPowerOfTwo(n)
	if size < n {
		size *= 2
	}
	return size
}

// orders of a pair of trials. The order is drawn at random for each pair, so the
// statistics need no assumption about what the machine does meanwhile.
var orders = []string{"AB", "BA"}

// pairs of trials in a block.
const pairs = 2

// Block returns the trials of a configuration on one kernel in one block, in the order of
// execution. All that is known in advance is set: identity, cell and place.
func (p *Plan) Block(kernel string, config *Configuration, block int) []record.Trial {
	random := rand.New(rand.NewPCG(p.Seed, uint64(config.Number)<<32|uint64(block)))
	order := orders[random.IntN(len(orders))]
	if config.Sweep == nil { // a sweep has the same order at each step
		for range pairs - 1 {
			order += orders[random.IntN(len(orders))]
		}
	}
	positions := len(order)
	if config.Sweep != nil {
		positions *= config.Sweep.trials()
	}
	trials := make([]record.Trial, positions)
	for position := range trials {
		side := order[position%len(order)]
		t := record.Trial{
			Schema: record.Schema,
			Cell:   config.Cells[side-'A'],
			Trial: record.Place{
				Plan: p.Name, Configuration: config.Number, Scenario: config.Scenario, Shows: config.Shows, Side: string(side),
				Block: block, Position: position, Order: order, Seed: p.Seed,
			},
		}
		t.ID = fmt.Sprintf("%s/%s/setup%d/%s/block%d.%d", kernel, p.Name, config.Number, t.Cell.Transport, block, position)
		if config.Sweep != nil {
			t.Trial.Step = position/len(order) + 1
		}
		trials[position] = t
	}
	return trials
}
