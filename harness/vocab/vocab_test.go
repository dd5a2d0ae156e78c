// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"testing"
)

func TestFormulas(t *testing.T) {
	for _, test := range []struct {
		kind                                  Transport
		n, sample, footprint, capacityOfAPage int
	}{
		{Ringbuf, 1, 1, 16, 255},
		{Ringbuf, 8, 8, 16, 255},
		{Ringbuf, 9, 9, 24, 170},
		{Ringbuf, 64, 64, 72, 56},
		{Ringbuf, 4080, 4080, 4088, 1},
		{Ringbuf, 4088, 4088, 4096, 0},
		{Perf, 1, 4, 16, 255},
		{Perf, 4, 4, 16, 255},
		{Perf, 5, 12, 24, 170},
		{Perf, 64, 68, 80, 51},
		{Perf, 4076, 4076, 4088, 1},
		{Perf, 4077, 4084, 4096, 0},
	} {
		t.Run(fmt.Sprintf("%s/%d", test.kind, test.n), func(t *testing.T) {
			if got := test.kind.SampleBytes(test.n); got != test.sample {
				t.Errorf("sample of %d bytes, want %d", got, test.sample)
			}
			if got := test.kind.FootprintBytes(test.n); got != test.footprint {
				t.Errorf("footprint of %d bytes, want %d", got, test.footprint)
			}
			if got := test.kind.Capacity(4096, test.n); got != test.capacityOfAPage {
				t.Errorf("%d events a page, want %d", got, test.capacityOfAPage)
			}
		})
	}
}

// TestTable: the required fields of each transport, and the spec of an unknown one.
func TestTable(t *testing.T) {
	for _, s := range TransportSpecs() {
		if s.Title == "" || s.Text == "" || s.Since == "" || (s.Family.FullErrno == "") != (s.Family.Overwrites || s.Family.Totals) || len(s.Family.Policies) == 0 || len(s.Family.Readers) == 0 {
			t.Errorf("%s: incomplete: %+v", s.Name, s)
		}
		if got, err := ParseTransport(string(s.Name)); got != s.Name || err != nil {
			t.Errorf("%s is read as %q, %v", s.Name, got, err)
		}
		for _, kind := range s.Family.Policies {
			text := string(kind)
			if kind.Spec().Unit != "" {
				text += "=3"
			}
			p, err := s.Name.ParsePolicy(text)
			if string(p) != text || err != nil || p.Kind() != kind || (p.N() == 3) != (kind.Spec().Unit != "") {
				t.Errorf("%s: policy %s is read as %q, %v", s.Name, text, p, err)
			}
		}
	}
	if _, err := ParseTransport("pigeon"); err == nil {
		t.Error("an unknown transport is accepted")
	}
	if newer := Transport("pigeon"); newer.Spec().Title != "pigeon" || newer.Capacity(4096, 64) < 1 || newer.DefaultPolicy() != "" {
		t.Errorf("an unknown transport is %+v", newer.Spec())
	}
	for text, want := range map[string]bool{
		"every": true, "batch=0": false, "batch=-1": false, "batch": false, "every=1": false, "batch=x": false,
		"batch=99999999999": false, "wakeup_events=3": false, "": false, "adaptive": true,
	} {
		if _, err := Ringbuf.ParsePolicy(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFaults: kind and number come back as they were written.
func TestFaults(t *testing.T) {
	for _, kind := range Faults() {
		f, err := ParseFault(string(kind.With(7)))
		if err != nil || f.Kind() != kind || f.N() != 7 {
			t.Errorf("%s: %s with %d, %v", kind, f.Kind(), f.N(), err)
		}
	}
	for _, text := range []string{"drop", "drop=0", "drop=x", "lose=1"} {
		if _, err := ParseFault(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
