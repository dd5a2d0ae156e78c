// SPDX-License-Identifier: MIT

package size

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// TestSmallest: for each transport the size is a ring that the kernel takes, it has room
// for all events, and no smaller one has.
func TestSmallest(t *testing.T) {
	check := func(l Load) {
		t.Helper()
		n, err := l.Events()
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		for _, kind := range vocab.Transports() {
			s, err := Of(kind, l)
			if err != nil {
				if at := kind.Capacity(MaxRingBytes, l.EventBytes); at >= n {
					t.Fatalf("%s, %+v: %v, but the largest ring takes %d", kind, l, err, at)
				}
				continue
			}
			if s.Why != "" {
				continue
			}
			if err := vocab.CheckRingBytes(s.RingBytes, vocab.PageBytes); err != nil || s.RingBytes > MaxRingBytes || s.RingBytes < s.LeastBytes {
				t.Fatalf("%s, %+v: %+v: %v", kind, l, s, err)
			}
			below := kind.Capacity(s.RingBytes/2, l.EventBytes)
			switch {
			case s.Events != n || s.Capacity != kind.Capacity(s.RingBytes, l.EventBytes) || s.Capacity < n:
				t.Fatalf("%s, %+v: %+v does not take %d events", kind, l, s, n)
			case s.RingBytes > s.LeastBytes && (below >= n || s.CapacityBelow != below || s.Dominant == ByMinimum):
				t.Fatalf("%s, %+v: half of %+v takes %d of %d events", kind, l, s, below, n)
			case s.RingBytes == s.LeastBytes && (s.Dominant != ByMinimum || s.CapacityBelow != 0):
				t.Fatalf("%s, %+v: %+v is the smallest ring", kind, l, s)
			case s.Rings != kind.Rings(l.CPUs, "") || s.TotalBytes != s.Rings*s.RingBytes:
				t.Fatalf("%s, %+v: %+v", kind, l, s)
			}
		}
	}
	for n := 1; n <= 300; n++ {
		for _, bytes := range []int{8, 9, 64, 120, 128, 1000, 2020, 2030, 2040, 4000, 4048, 4056, 4064, 4072, 4080, 4096, 32768} {
			check(Load{Burst: n, EventBytes: bytes, CPUs: 1})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		check(Load{
			RateHz: random.IntN(1 << random.IntN(24)), Burst: 1 + random.IntN(1<<random.IntN(24)), Stall: time.Duration(random.Int64N(int64(time.Second))),
			EventBytes: 8 + random.IntN(32760>>random.IntN(12)), CPUs: 1 + random.IntN(8192),
		})
	}
	// Exactly at an edge: what a ring takes, and one more.
	for _, kind := range vocab.Transports() {
		if kind.Spec().Family.Totals {
			continue // it has no rings
		}
		for ring := vocab.PageBytes; ring <= 64<<20; ring *= 2 {
			n := kind.Capacity(ring, 120)
			for more, want := range []int{ring, 2 * ring} {
				s, err := Of(kind, Load{Burst: n + more, EventBytes: 120, CPUs: 1})
				if err != nil || s.Why == "" && s.RingBytes != want {
					t.Errorf("%s: %d events of 120 bytes need %d bytes, %v, want %d", kind, n+more, s.RingBytes, err, want)
				}
			}
		}
	}
}

// TestUnknown: a transport without a formula has none, and nothing fails.
func TestUnknown(t *testing.T) {
	s, err := Of("carrier-pigeon", Load{Burst: 1, EventBytes: 8, CPUs: 1})
	if err != nil || s.Why == "" || s.RingBytes != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if cells := s.Cells(vocab.AttachAuto, 1); cells != nil || s.Proof == nil || s.Proof.Outcome != Impossible {
		t.Errorf("%v, %+v", cells, s.Proof)
	}
	var b strings.Builder
	a := Answer{Load: Load{Burst: 1, EventBytes: 8, CPUs: 1}, Events: 1, Sizes: []Size{s}}
	if err := a.Write(&b, false); err != nil || !strings.Contains(b.String(), "\ncarrier-pigeon: there is no formula for this transport\n") {
		t.Errorf("%v: %s", err, b.String())
	}
}
