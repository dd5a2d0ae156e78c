// Package plan says what is to be measured: it reads a plan, refuses what cannot
// be, and expands it into the trials of one kernel, in order.
//
// It is a pure function of the plan's text; nothing is measured here.
package plan

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
)

//go:embed plans/*.yaml
var plans embed.FS

// Default is the name of the plan that runs when none is named.
const Default = "quick"

// Plan is one set-up of both transports.
type Plan struct {
	Name       string   `yaml:"name"`
	Transports []string `yaml:"transports"` // perf is A in a block, ringbuf B
	// Attach is where the twins hook in; auto takes the first that works.
	Attach   string `yaml:"attach"`
	Workload string `yaml:"workload"`
	// Events is how many events a trial starts, all producers together.
	Events    int     `yaml:"events"`
	Producers int     `yaml:"producers"`
	RateHz    float64 `yaml:"rate_hz"` // of all producers together; 0: as fast as possible
	// PayloadBytes is what a program hands over for one event.
	PayloadBytes int `yaml:"payload_bytes"`
	// Exactly one of these is set: the bytes of all rings of a transport
	// together, or those of each ring.
	RingBytesTotal int `yaml:"ring_bytes_total,omitempty"`
	RingBytesEach  int `yaml:"ring_bytes_each,omitempty"`
	// ReaderStallMS is how long the reader sleeps before it first reads.
	ReaderStallMS int `yaml:"reader_stall_ms"`
	// Blocks of four trials: both transports twice, in the order ABBA or BAAB.
	Blocks int    `yaml:"blocks"`
	Seed   uint64 `yaml:"seed"` // decides which order comes first
}

// Names lists the plans that ship with the program.
func Names() []string {
	entries, err := fs.ReadDir(plans, "plans")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Load reads the plan of that name, or the file at that path. An error names
// the line and what is wrong with it.
func Load(nameOrPath string) (*Plan, error) {
	text, err := plans.ReadFile(path.Join("plans", nameOrPath+".yaml"))
	if err != nil {
		text, err = os.ReadFile(nameOrPath)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plan %q: no such file, and not one of %s", nameOrPath, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", nameOrPath, err)
	}
	return p, nil
}

// Parse reads a plan. Unknown and repeated keys are refused.
func Parse(text []byte) (*Plan, error) {
	p := &Plan{
		Transports:   []string{string(bpf.Perf), string(bpf.Ringbuf)},
		Attach:       string(bpf.AttachAuto),
		Workload:     "execve",
		Producers:    1,
		PayloadBytes: bpf.EventBytes,
		Blocks:       1,
	}
	if err := decode(text, p); err != nil {
		return nil, err
	}
	return p, p.Check()
}

// decode reads the text. The library panics on some that are no YAML, which a
// fuzz test has found.
func decode(text []byte, p *Plan) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this is no YAML that can be read")
		}
	}()
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(p); err != nil {
		return errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return nil
}

// Text is the plan as a file.
func (p *Plan) Text() ([]byte, error) { return yaml.Marshal(p) }

// Limits of a plan. The size of a perf record is a u16, struct perf_event_header
// in https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/perf_event.h
const (
	maxPayloadBytes = 32 << 10
	maxEvents       = 1_000_000
	maxRingBytes    = 1 << 30
	maxBlocks       = 1000
)

// planName keeps names harmless in file names, ids and benchmark names.
var planName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Check refuses what no machine could run.
func (p *Plan) Check() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(!planName.MatchString(p.Name), "name: %q, want letters, digits, dots, dashes and underscores", p.Name)
	refuse(!slices.Equal(p.Transports, []string{"perf", "ringbuf"}), "transports: %v, want [perf, ringbuf]", p.Transports)
	refuse(p.Workload != "execve", "workload: %q, want execve", p.Workload)
	attach := append([]bpf.Attach{bpf.AttachAuto}, bpf.AttachOrder()...)
	refuse(!slices.Contains(attach, bpf.Attach(p.Attach)), "attach: %q, want one of %v", p.Attach, attach)
	refuse(p.Events < 1 || p.Events > maxEvents, "events: %d, want 1 to %d", p.Events, maxEvents)
	refuse(p.Producers < 1, "producers: %d, want at least 1", p.Producers)
	refuse(p.Producers > 0 && p.Events%p.Producers != 0, "events: %d cannot be shared equally by %d producers", p.Events, p.Producers)
	refuse(p.RateHz < 0, "rate_hz: %g, want 0 or more", p.RateHz)
	refuse(p.PayloadBytes < bpf.EventBytes || p.PayloadBytes > maxPayloadBytes, "payload_bytes: %d, want %d to %d", p.PayloadBytes, bpf.EventBytes, maxPayloadBytes)
	refuse(p.ReaderStallMS < 0, "reader_stall_ms: %d, want 0 or more", p.ReaderStallMS)
	refuse(p.Blocks < 1 || p.Blocks > maxBlocks, "blocks: %d, want 1 to %d", p.Blocks, maxBlocks)
	refuse((p.RingBytesTotal == 0) == (p.RingBytesEach == 0), "ring_bytes_total, ring_bytes_each: want exactly one of them")
	for key, size := range map[string]int{"ring_bytes_total": p.RingBytesTotal, "ring_bytes_each": p.RingBytesEach} {
		if size != 0 {
			err := transport.CheckRingBytes(size)
			refuse(err != nil || size > maxRingBytes, "%s: %d, want a power of two from 4096 to %d", key, size, maxRingBytes)
		}
	}
	return errors.Join(errs...)
}

// Cell is the plan's cell for a transport on a machine of cpus CPUs.
//
// It is an error if the rings would be too small for one event, or if one loss
// would wedge the perf buffer: a later event then needs room for itself and a
// 24-byte PERF_RECORD_LOST, which a ring that small never has, so every output
// fails for ever.
func (p *Plan) Cell(kind bpf.Transport, cpus int) (record.Cell, error) {
	rings := transport.Rings(kind, cpus)
	each, equal := p.RingBytesEach, "each"
	if each == 0 {
		equal = "total"
		each = floorPowerOfTwo(p.RingBytesTotal / rings)
	}
	cell := record.Cell{
		Transport:      string(kind),
		Policy:         transport.DefaultPolicy(kind),
		Attach:         p.Attach,
		Workload:       p.Workload,
		Events:         p.Events,
		RateHz:         p.RateHz,
		PayloadBytes:   p.PayloadBytes,
		RingBytes:      each,
		RingBytesTotal: each * rings,
		Batch:          1, Equal: equal, Placement: "apart",
		Producers:     p.Producers,
		ReaderStallMS: p.ReaderStallMS,
	}
	if err := transport.CheckRingBytes(each); err != nil {
		return cell, fmt.Errorf("%s on %d CPUs: %w", kind, cpus, err)
	}
	n := p.PayloadBytes
	if transport.Capacity(kind, each, n) < 1 {
		return cell, fmt.Errorf("%s: an event of %d bytes takes %d in a ring of %d: %d-1 < %d",
			kind, n, transport.FootprintBytes(kind, n), each, each, transport.FootprintBytes(kind, n))
	}
	if need := transport.FootprintBytes(kind, n) + transport.LostRecordBytes; kind == bpf.Perf && need > each-1 {
		return cell, fmt.Errorf("perf: after one loss an event of %d bytes needs %d in a ring of %d, and is refused for ever: %d > %d-1",
			n, need, each, need, each)
	}
	return cell, nil
}

func floorPowerOfTwo(n int) int {
	size := 1
	for size*2 <= n {
		size *= 2
	}
	return size
}

// Orders of a block: perf is A, ringbuf is B. Both average out a drift of the
// machine that is linear in time.
var orders = []string{"ABBA", "BAAB"}

// Trials is what the plan wants of one kernel, in the order of execution, with
// everything set that is known before: identity, cell and place.
func (p *Plan) Trials(kernel string, cpus int) ([]record.Trial, error) {
	byLetter := map[rune]record.Cell{}
	for letter, kind := range map[rune]bpf.Transport{'A': bpf.Perf, 'B': bpf.Ringbuf} {
		cell, err := p.Cell(kind, cpus)
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", p.Name, err)
		}
		byLetter[letter] = cell
	}
	first := rand.New(rand.NewPCG(p.Seed, 0)).IntN(2)
	var trials []record.Trial
	for block := range p.Blocks {
		order := orders[(first+block)%2]
		for position, letter := range order {
			cell := byLetter[letter]
			trials = append(trials, record.Trial{
				Schema: record.Schema,
				ID:     fmt.Sprintf("%s/%s/%s/block%d.%d", kernel, p.Name, cell.Transport, block, position),
				Cell:   cell,
				Trial:  record.Place{Side: string(letter), Plan: p.Name, Trials: p.Blocks * len(orders[0]), Block: block, Position: position, Order: order, Seed: p.Seed},
			})
		}
	}
	return trials, nil
}
