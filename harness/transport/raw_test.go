// SPDX-License-Identifier: MIT

package transport

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// given is a ring whose samples are time stamps.
type given struct {
	times  []uint64
	at     int
	upTo   int
	raw    [8]byte
	closed int
}

func (r *given) begin() bool { r.upTo = len(r.times); return r.at < r.upTo }

func (r *given) next(s *Sample) bool {
	if r.at >= r.upTo {
		return false
	}
	binary.NativeEndian.PutUint64(r.raw[:], r.times[r.at])
	s.Raw, s.Lost = r.raw[:], 0
	r.at++
	return true
}

func (r *given) count() Total {
	n := Total{Events: r.upTo - r.at}
	r.at = r.upTo
	return n
}
func (r *given) end()                               {}
func (r *given) positions() (producer, read uint64) { return uint64(len(r.times)), uint64(r.at) }
func (r *given) fd() int                            { return -1 }
func (r *given) close() error                       { r.closed++; return nil }

func stamp(raw []byte) uint64 { return binary.NativeEndian.Uint64(raw) }

// TestMerge: over rings the oldest comes first, whatever ring it is in, and then the flush
// ends.
func TestMerge(t *testing.T) {
	rings := []*given{{times: []uint64{1, 4, 9}}, {times: []uint64{2, 3, 10, 11}}, {}, {times: []uint64{5}}}
	var all []ring
	for _, r := range rings {
		all = append(all, r)
	}
	raw, err := newRaw(all, Options{Reader: vocab.PollMerge})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := mergeOf(raw, stamp)
	if err != nil {
		t.Fatal(err)
	}
	if err := merged.Flush(); err != nil {
		t.Fatal(err)
	}
	var got []uint64
	var s Sample
	for err = merged.Read(&s); err == nil; err = merged.Read(&s) {
		got = append(got, stamp(s.Raw))
	}
	if !errors.Is(err, ErrFlushed) {
		t.Error(err)
	}
	for i, want := range []uint64{1, 2, 3, 4, 5, 9, 10, 11} {
		if len(got) != 8 || got[i] != want {
			t.Fatalf("read %v", got)
		}
	}
	if err := merged.Close(); err != nil || rings[0].closed != 1 {
		t.Errorf("closed %d times, %v", rings[0].closed, err)
	}
	if _, err := mergeOf(raw, nil); err == nil {
		t.Error("rings without time stamps are merged")
	}
}

// TestRawDoesNotAllocate: neither to read nor to count.
func TestRawDoesNotAllocate(t *testing.T) {
	times := make([]uint64, 2000)
	reader, err := newRaw([]ring{&given{times: times}}, Options{Reader: vocab.Poll})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var s Sample
	if n := testing.AllocsPerRun(1000, func() { _ = reader.Read(&s) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// TestCloseBetweenReads: a sample in a ring stays until the next read, or a second close.
func TestCloseBetweenReads(t *testing.T) {
	one := &given{times: []uint64{1, 2}}
	reader, err := newRaw([]ring{one}, Options{Reader: vocab.Poll})
	if err != nil {
		t.Fatal(err)
	}
	var s Sample
	if err := errors.Join(reader.Read(&s), reader.Close()); err != nil || one.closed != 0 {
		t.Fatalf("closed %d times under a sample, %v", one.closed, err)
	}
	if err := reader.Read(&s); err == nil || one.closed != 1 {
		t.Errorf("closed %d times, read %v", one.closed, err)
	}
	if err := reader.Close(); err != nil || one.closed != 1 {
		t.Errorf("closed %d times, %v", one.closed, err)
	}
}

func TestSleeps(t *testing.T) {
	for idle, want := range map[int]time.Duration{
		1: 500 * time.Microsecond, 2: time.Millisecond, 6: 16 * time.Millisecond, 7: 30 * time.Millisecond, 100: 30 * time.Millisecond,
	} {
		if got := backoff(idle); got != want {
			t.Errorf("after %d times nothing: %s, want %s", idle, got, want)
		}
	}
	if got := untilTick(time.Unix(0, 10_250_000), 10*time.Millisecond); got != 9_750_000 {
		t.Errorf("until the next tick: %s", got)
	}
}

// TestSplit: a record of many events is as many samples.
func TestSplit(t *testing.T) {
	records := &given{times: []uint64{1, 2}}
	raw, err := newRaw([]ring{records}, Options{Reader: vocab.Poll})
	if err != nil {
		t.Fatal(err)
	}
	reader := &splitReader{Reader: raw, each: 4}
	defer reader.Close()
	if err := reader.Flush(); err != nil {
		t.Fatal(err)
	}
	n := 0
	var s Sample
	for reader.Read(&s) == nil {
		if n++; len(s.Raw) != 4 {
			t.Errorf("%d bytes", len(s.Raw))
		}
	}
	if n != 4 {
		t.Errorf("%d samples of two records, want 4", n)
	}
}
