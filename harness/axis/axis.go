// SPDX-License-Identifier: MIT

// Package axis is the table of the parameters of a configuration besides the transport.
// Each axis is one value, which plans, filters, reports, help and documents read. A new
// axis is a field of [record.Cell], a value in this table, and the code that applies it.
//
// It makes no system call. The table is not changed after the start of the program.
package axis

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Axis is one parameter of a configuration.
type Axis struct {
	// Name is the key of a plan, and of --set.
	Name string
	// Filter is the key by which compare selects.
	Filter string
	// Text describes the axis in one line.
	Text string
	// Default is the value of a plan without the key; nil: the key is required.
	Default []string
	// Least and Most bound a number; Words are all valid words.
	Least, Most float64
	Words       []string
	// Parse, if not nil, rejects an invalid word.
	Parse func(string) error
	// Usage is the syntax of a word that Parse accepts.
	Usage string
	// Side says that each side of a pair has a value of its own.
	Side bool
	// Frees lists other axes that may differ where this one does.
	Frees []string
	// Phrase describes the value in a report; empty where no description is needed.
	// format writes a number with its unit.
	Phrase func(c *record.Cell, format func(unit string, x float64) string) string

	field func(*record.Cell) any // a pointer to it
}

// Limits of plans. The size of a perf record is a u16, struct perf_event_header
// in https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/perf_event.h
const (
	maxPayloadBytes = 32 << 10
	maxEvents       = 100_000_000
	// Each event of a batch takes two of the verifier's 8192 branches:
	// BPF_COMPLEXITY_LIMIT_JMP_SEQ in
	// https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/verifier.c
	maxBatch     = 3000
	maxProducers = 1024
	maxMS        = 600_000
	maxHz        = 1e9
)

// table is in the order in which a plan multiplies: the last changes fastest.
var table = []Axis{
	{
		Name: "workload", Filter: "workload", Text: "what causes events: execve (program starts) or storm (many small events)",
		Default: []string{string(vocab.Execve)}, Words: words(vocab.Workloads()), Frees: []string{"batch", "events"},
		field: func(c *record.Cell) any { return &c.Workload },
	},
	{
		Name: "payload_bytes", Filter: "payload", Text: "what the program sends for one event",
		Default: []string{strconv.Itoa(vocab.EventBytes)}, Least: vocab.StormEventBytes, Most: maxPayloadBytes,
		field: func(c *record.Cell) any { return &c.PayloadBytes },
	},
	{
		Name: "events", Filter: "events", Text: "how many events a trial tries to send, of all producers together; rounded down to what they can share",
		Least: 1, Most: maxEvents,
		field: func(c *record.Cell) any { return &c.Events },
	},
	{
		Name: "batch", Filter: "batch", Text: "how many events a trigger of a storm makes",
		Default: []string{"1"}, Least: 1, Most: maxBatch, Frees: []string{"events"},
		field: func(c *record.Cell) any { return &c.Batch },
	},
	{
		Name: Rate, Filter: "rate", Text: "events a second of all producers together; 0: as fast as possible",
		Default: []string{"0"}, Most: maxHz,
		field: func(c *record.Cell) any { return &c.RateHz },
	},
	{
		Name: "producers", Filter: "producers", Text: "how many send",
		Default: []string{"1"}, Least: 1, Most: maxProducers, Frees: []string{"events"},
		field: func(c *record.Cell) any { return &c.Producers },
	},
	{
		Name: "placement", Filter: "placement", Text: "where producers run: apart (not on the reader's CPU), hot (all on one CPU), same (on the reader's CPU), back-to-back (the reader itself triggers), spread (on all CPUs)",
		Default: []string{string(vocab.Apart)}, Words: words(vocab.Placements()),
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.Placement == "" || c.Placement == vocab.Apart {
				return ""
			}
			return ", placement " + string(c.Placement)
		},
		field: func(c *record.Cell) any { return &c.Placement },
	},
	{
		Name: "flush_ms", Filter: "flush", Text: "after how long the reader looks although nobody woke it; 0: never",
		Default: []string{"0"}, Most: maxMS, Side: true,
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.FlushMS == 0 {
				return ""
			}
			return fmt.Sprintf(", and looks after %d ms", c.FlushMS)
		},
		field: func(c *record.Cell) any { return &c.FlushMS },
	},
	{
		Name: "reader_stall_ms", Filter: "stall", Text: "how long the reader sleeps before it first reads; -1: until the workload has ended",
		Default: []string{"0"}, Least: record.UntilOver, Most: maxMS,
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			switch {
			case c.ReaderStallMS == record.UntilOver:
				return "; the reader sleeps until the workload has ended"
			case c.ReaderStallMS > 0:
				return fmt.Sprintf("; the reader sleeps for the first %d ms", c.ReaderStallMS)
			}
			return ""
		},
		field: func(c *record.Cell) any { return &c.ReaderStallMS },
	},
	{
		Name: "reader_delay_ns", Filter: "delay", Text: "how long the reader works on each event",
		Default: []string{"0"}, Most: maxMS * 1e6,
		Phrase: func(c *record.Cell, format func(string, float64) string) string {
			if c.ReaderDelayNS == 0 {
				return ""
			}
			return fmt.Sprintf("; the reader works %s on each event", format("ns", float64(c.ReaderDelayNS)))
		},
		field: func(c *record.Cell) any { return &c.ReaderDelayNS },
	},
	{
		Name: "reader", Filter: "reader", Text: "what reads: cilium (the library), raw (maps the rings, copies nothing), poll (nobody wakes it), ticker (every flush_ms), +merge (by time stamps over all rings), snapshot (flight recorders); empty: the transport's default",
		Default: []string{""}, Usage: vocab.Join(vocab.Readers()), Parse: parseReader, Side: true,
		field: func(c *record.Cell) any { return &c.Reader },
	},
	{
		Name: "shards", Filter: "shards", Text: "how many rings ringbuf-sharded has: cpu (one a CPU), cpu/K (one for K CPUs), N (in all)",
		Default: []string{""}, Usage: "cpu, cpu/K, N", Parse: parsed(vocab.ParseShards), Side: true,
		field: func(c *record.Cell) any { return &c.Shards },
	},
	{
		Name: "stage", Filter: "stage", Text: "when ringbuf-batched sends what waits on a CPU: after N events, bytes, or milliseconds",
		Default: []string{""}, Usage: "events=N, bytes=N, ms=N", Parse: parsed(vocab.ParseStage), Side: true,
		field: func(c *record.Cell) any { return &c.Stage },
	},
	{
		Name: "content", Filter: "content", Text: "what the events of a storm hold: empty for all that the ledger needs, bare for nothing, so that no bookkeeping is measured",
		Default: []string{""}, Usage: "bare", Parse: parsed(vocab.ParseContent), Side: true,
		field: func(c *record.Cell) any { return &c.Content },
	},
	{
		Name: "sizes", Filter: "sizes", Text: "the sizes of a storm's events, of sixteen in turn; payload_bytes is then the largest",
		Default: []string{""}, Usage: "two, heavy, COUNTxBYTES+...", Parse: parsed(vocab.ParseSizes), Frees: []string{"payload_bytes"},
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.Sizes == "" {
				return ""
			}
			return "; sizes " + string(c.Sizes)
		},
		field: func(c *record.Cell) any { return &c.Sizes },
	},
	{
		Name: "offline", Filter: "offline", Text: "a CPU that is offline: N (while the trial runs), N/returns (until the load starts), N/leaves (after the reader has opened its rings, until the load starts)",
		Default: []string{""}, Usage: "N, N/returns, N/leaves", Parse: parsed(vocab.ParseOffline),
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			switch cpu, when := c.Offline.CPU(); {
			case cpu < 0:
				return ""
			case when == vocab.Returns:
				return fmt.Sprintf("; CPU %d returns before the load starts", cpu)
			case when == vocab.Leaves:
				return fmt.Sprintf("; CPU %d leaves and returns before the load starts", cpu)
			default:
				return fmt.Sprintf("; CPU %d is offline", cpu)
			}
		},
		field: func(c *record.Cell) any { return &c.Offline },
	},
	{
		Name: "reader_cpu", Filter: "reader_cpu", Text: "what the reader gets of its CPU: quota=PERCENT (of a cgroup), nice=N; empty: all that it wants",
		Default: []string{""}, Usage: "quota=PERCENT, nice=N", Parse: parsed(vocab.ParseReaderCPU),
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.ReaderCPU == "" {
				return ""
			}
			return "; the reader has " + string(c.ReaderCPU)
		},
		field: func(c *record.Cell) any { return &c.ReaderCPU },
	},
	{
		Name: "flood", Filter: "flood", Text: "how many events one more producer sends as fast as it can, on the first CPU; the others are its victims",
		Default: []string{"0"}, Most: maxEvents,
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.Flood == 0 {
				return ""
			}
			return fmt.Sprintf("; another producer floods with %d events", c.Flood)
		},
		field: func(c *record.Cell) any { return &c.Flood },
	},
	{
		Name: "fault", Filter: "fault", Text: "what is injected into both sides, as selftest does: drop=N, work=N, ...",
		Default: []string{""}, Usage: "KIND=N", Parse: parsed(vocab.ParseFault),
		Phrase: func(c *record.Cell, _ func(string, float64) string) string {
			if c.Fault == "" {
				return ""
			}
			return "; fault injected: " + string(c.Fault)
		},
		field: func(c *record.Cell) any { return &c.Fault },
	},
}

// parsed is the error of a function that reads a word.
func parsed[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		if text == "" {
			return nil
		}
		_, err := parse(text)
		return err
	}
}

func parseReader(text string) error {
	if text != "" && !slices.Contains(vocab.Readers(), vocab.Reader(text)) {
		return fmt.Errorf("reader %q: want one of %s", text, vocab.Join(vocab.Readers()))
	}
	return nil
}

// Rate is the name of the axis that a sweep replaces.
const Rate = "rate_hz"

// All are the axes, in the order in which a plan multiplies them.
func All() []Axis { return slices.Clone(table) }

// Named returns the axis of that name.
func Named(name string) (Axis, bool) {
	i := slices.IndexFunc(table, func(a Axis) bool { return a.Name == name })
	if i < 0 {
		return Axis{}, false
	}
	return table[i], true
}

func words[T ~string](all []T) []string {
	list := make([]string, len(all))
	for i, w := range all {
		list[i] = string(w)
	}
	return list
}

// Get returns the value of a cell, as a plan writes it.
func (a Axis) Get(c *record.Cell) string {
	v := reflect.ValueOf(a.field(c)).Elem()
	if v.Kind() == reflect.Float64 {
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// Set sets the value of a cell. The value must pass [Axis.Check].
func (a Axis) Set(c *record.Cell, text string) {
	switch v := reflect.ValueOf(a.field(c)).Elem(); v.Kind() {
	case reflect.Int:
		v.SetInt(int64(number(text)))
	case reflect.Float64:
		v.SetFloat(number(text))
	default:
		v.SetString(text)
	}
}

// Clear zeroes the value, to compare cells by all other axes.
func (a Axis) Clear(c *record.Cell) { reflect.ValueOf(a.field(c)).Elem().SetZero() }

// Whole reports whether the values are integers.
func (a Axis) Whole() bool { return a.kind() == reflect.Int }

// Number reports whether the values are numbers.
func (a Axis) Number() bool { return a.Whole() || a.kind() == reflect.Float64 }

func (a Axis) kind() reflect.Kind { return reflect.TypeOf(a.field(new(record.Cell))).Elem().Kind() }

func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

// ErrNotWhole is returned for a fraction where an integer is required.
var ErrNotWhole = errors.New("want a whole number")

// Check rejects values that are invalid on every machine.
func (a Axis) Check(text string) error {
	if a.Parse != nil {
		return a.Parse(text)
	}
	if !a.Number() {
		return nil // [Axis.Words] are for the caller to suggest from
	}
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || n != n:
		return fmt.Errorf("%q is no number", text)
	case a.Whole() && n != float64(int64(n)):
		return fmt.Errorf("%s: %w", text, ErrNotWhole)
	case n < a.Least || n > a.Most:
		return fmt.Errorf("%s, want %s to %s", text, format(a.Least), format(a.Most))
	}
	return nil
}

// Limits describes the valid values in a few words.
func (a Axis) Limits() string {
	switch {
	case a.Parse != nil:
		return a.Usage
	case len(a.Words) > 0:
		return strings.Join(a.Words, ", ")
	}
	return format(a.Least) + " to " + format(a.Most)
}

func format(n float64) string {
	if n >= 1e9 {
		return strconv.FormatFloat(n, 'g', -1, 64)
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
