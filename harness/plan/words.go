// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"strconv"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Words are what [Plan.Set] makes plan [Plain] of, for the configuration of these two
// cells to be all that it has, on a machine with as many CPUs as theirs. What the
// plan has anyway is left out. Sweeps are not in cells, so rates are those
// of the cells.
func Words(a, b *record.Cell) ([]string, error) {
	p, err := Load(Plain)
	if err != nil {
		return nil, err
	}
	s := p.scenarios()[0]
	bytes, list, key := a.RingBytes, s.RingBytesEach, "ring_bytes_each"
	if a.Equal != vocab.EqualEach {
		// One ring has all of it, while many may have less, each a power of two.
		bytes, list, key = max(a.RingBytesTotal, b.RingBytesTotal), s.RingBytesTotal, "ring_bytes_total"
	}
	var words []string
	pair := a.Configuration() + ", " + b.Configuration()
	if pair != s.Pairs[0][0].String()+", "+s.Pairs[0][1].String() {
		words = append(words, "pairs=[["+pair+"]]")
	}
	word(&words, "workload", a.Workload, s.Workload)
	word(&words, "events", a.Events, s.Events)
	word(&words, "batch", a.Batch, s.Batch)
	word(&words, "rate_hz", a.RateHz, s.RateHz)
	word(&words, "payload_bytes", a.PayloadBytes, s.PayloadBytes)
	word(&words, key, bytes, list)
	word(&words, "producers", a.Producers, s.Producers)
	word(&words, "placement", a.Placement, s.Placement)
	word(&words, "flush_ms", a.FlushMS, s.FlushMS)
	word(&words, "reader_stall_ms", a.ReaderStallMS, s.ReaderStallMS)
	word(&words, "reader_delay_ns", a.ReaderDelayNS, s.ReaderDelayNS)
	word(&words, "fault", a.Fault, s.Fault)
	return words, nil
}

// word appends the assignment unless the axis has just this value.
func word[T comparable](words *[]string, key string, value T, axis list[T]) {
	if len(axis) == 1 && axis[0] == value {
		return
	}
	text := fmt.Sprint(value)
	if f, ok := any(value).(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	*words = append(*words, key+"="+text)
}
