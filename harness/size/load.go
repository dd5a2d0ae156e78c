// SPDX-License-Identifier: MIT

package size

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Limits of a load.
const (
	maxRateHz = 1e9
	maxCPUs   = 8192 // NR_CPUS at most, on x86-64
	maxStall  = 24 * time.Hour
	// MaxRingBytes is the largest ring that is computed.
	MaxRingBytes = 1 << 30
)

// Load is what the rings must take while the reader is away.
type Load struct {
	// RateHz is events a second, and Burst events at once, of all CPUs together.
	RateHz int `json:"rate_hz"`
	Burst  int `json:"burst"`
	// Stall is how long the reader is away.
	Stall time.Duration `json:"stall_ns"`
	// EventBytes is what the program sends for one event.
	EventBytes int `json:"event_bytes"`
	// CPUs are the possible CPUs of the machine.
	CPUs int `json:"cpus"`
}

// Words are a load as a user writes it. Empty words are zero, but for Bytes, which is
// required.
type Words struct {
	Rate, Burst, Bytes string
	Stall              time.Duration
	CPUs               int
	// Measured, if not nil, has the values for empty words.
	Measured *Load
}

// Load reads the words. Its error is one line that says what to do.
func (w Words) Load() (Load, error) {
	l := Load{Stall: w.Stall, CPUs: w.CPUs}
	if w.Measured != nil {
		l.RateHz, l.Burst, l.EventBytes = w.Measured.RateHz, w.Measured.Burst, w.Measured.EventBytes
	}
	for _, word := range []struct {
		flag, text string
		parse      func(string) (int, error)
		to         *int
	}{
		{"--rate", w.Rate, ParseCount, &l.RateHz},
		{"--burst", w.Burst, ParseCount, &l.Burst},
		{"--bytes", w.Bytes, ParseBytes, &l.EventBytes},
	} {
		if word.text == "" {
			continue
		}
		n, err := word.parse(word.text)
		if err != nil {
			return Load{}, fmt.Errorf("%s: %w", word.flag, err)
		}
		*word.to = n
	}
	if w.Bytes == "" && w.Measured == nil {
		return Load{}, errors.New("--bytes is missing: want the size of an event, such as --bytes 120")
	}
	_, err := l.Events()
	return l, err
}

// Events is how many events wait when the reader returns: the burst, and what comes at
// the rate during the stall, rounded up. It is an error if the load is invalid.
func (l Load) Events() (int, error) {
	least, most := vocab.StormEventBytes, mostBytes()
	switch {
	case l.RateHz < 0 || l.RateHz > maxRateHz:
		return 0, fmt.Errorf("--rate %d: want 0 to %s events a second", l.RateHz, count(maxRateHz))
	case l.Burst < 0:
		return 0, fmt.Errorf("--burst %d: want 0 events or more", l.Burst)
	case l.Stall < 0 || l.Stall > maxStall:
		return 0, fmt.Errorf("--stall %s: want 0s to %s", l.Stall, maxStall)
	case l.EventBytes < least || l.EventBytes > most:
		return 0, fmt.Errorf("--bytes %d: want %d to %d", l.EventBytes, least, most)
	case l.CPUs < 1 || l.CPUs > maxCPUs:
		return 0, fmt.Errorf("--cpus %d: want 1 to %d", l.CPUs, maxCPUs)
	}
	stalled, ok := l.stalled()
	switch n := l.Burst + stalled; {
	case !ok || n > MaxRingBytes:
		return 0, fmt.Errorf("%d a second for %s and a burst of %d are more events than a ring of %s has bytes: want a shorter --stall, or a lower --rate or --burst",
			l.RateHz, l.Stall, l.Burst, bytes(MaxRingBytes))
	case n == 0:
		return 0, errors.New("no event would ever wait: want --burst, or --rate with --stall, such as --rate 50k --stall 50ms")
	default:
		return n, nil
	}
}

// text is where the n events that wait come from.
func (l Load) text(n int) string {
	var parts []string
	if l.Burst > 0 {
		parts = append(parts, "a burst of "+count(l.Burst))
	}
	if n > l.Burst {
		parts = append(parts, fmt.Sprintf("%s at %s a second in %s", count(n-l.Burst), count(l.RateHz), l.Stall))
	}
	return strings.Join(parts, ", and ") + fmt.Sprintf("; %d bytes each", l.EventBytes)
}

// stalled is the events of the stall; ok is false if they are beyond an int.
func (l Load) stalled() (n int, ok bool) {
	high, low := bits.Mul64(uint64(l.RateHz), uint64(l.Stall))
	if high >= uint64(time.Second) {
		return 0, false
	}
	whole, rest := bits.Div64(high, low, uint64(time.Second))
	if rest > 0 {
		whole++
	}
	return int(whole), whole <= maxNumber
}

// mostBytes is the largest event that a trial can send.
func mostBytes() int {
	x, _ := axis.Named("payload_bytes")
	return int(x.Most)
}
