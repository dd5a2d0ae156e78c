// SPDX-License-Identifier: MIT

package agents

import (
	"testing"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// TestTable: on every number of CPUs each ring is one that the kernel takes.
func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, a := range All() {
		if names[a.Name] || a.Name == "" || a.Transport == "" || a.Policy == "" || a.Text == "" || a.Source == "" {
			t.Errorf("%+v: incomplete, or twice", a)
		}
		names[a.Name] = true
		if got, ok := Named(a.ID); !ok || got.Name != a.Name {
			t.Errorf("%s is not found as %q", a.Name, a.ID)
		}
		if err := a.Transport.CheckReader(a.Reader); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
		if a.Transport.Known() {
			if _, err := a.Transport.ParsePolicy(string(a.Policy)); err != nil {
				t.Errorf("%s: %v", a.Name, err)
			}
		}
		if (a.RingBytes == nil) != (a.Rings == nil) {
			t.Errorf("%s: want both of RingBytes and Rings, or neither", a.Name)
		}
		if a.RingBytes == nil {
			continue
		}
		for cpus := 1; cpus <= 4096; cpus++ {
			if err := vocab.CheckRingBytes(a.RingBytes(cpus), vocab.PageBytes); err != nil {
				t.Errorf("%s on %d CPUs: %v", a.Name, cpus, err)
			}
			if a.Rings(cpus) < 1 {
				t.Errorf("%s on %d CPUs: %d rings", a.Name, cpus, a.Rings(cpus))
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		name          string
		cpus          int
		rings, each   int
		total, events int // of 120 bytes in one ring
	}{
		{"Falco", 8, 4, 8 * mib, 32 * mib, 65535},
		{"Falco", 7, 4, 8 * mib, 32 * mib, 65535},
		{"Tetragon", 8, 1, 512 * kib, 512 * kib, 4095},
		{"Tetragon", 6, 1, 512 * kib, 512 * kib, 4095},
		{"Tracee", 8, 24, 4 * mib, 96 * mib, 30840},
		{"Inspektor Gadget", 8, 1, 256 * kib, 256 * kib, 2047},
		{"bpftrace", 8, 1, 256 * kib, 256 * kib, 2047},
		{"OpenTelemetry profiler", 8, 1, 4 * mib, 4 * mib, 32767},
		{"Elastic quark", 2, 1, 4 * mib, 4 * mib, 32767},
		{"Elastic quark", 8, 1, 4 * mib, 4 * mib, 32767},
		{"Elastic quark", 200, 1, 64 * mib, 64 * mib, 524287},
		{"systing", 8, 8, 32 * mib, 256 * mib, 262143},
		{"systing", 6, 6, 32 * mib, 192 * mib, 262143},
		{"systing", 200, 64, 4 * mib, 256 * mib, 32767},
		{"eAudit", 8, 0, 0, 0, 0},
	} {
		for _, a := range All() {
			if a.Name != test.name {
				continue
			}
			events, ok := a.Capacity(test.cpus, 120)
			if ok != (test.events > 0) || events != test.events || a.TotalBytes(test.cpus) != test.total {
				t.Errorf("%s on %d CPUs: %d events, %d bytes", a.Name, test.cpus, events, a.TotalBytes(test.cpus))
			}
			if ok && (a.Rings(test.cpus) != test.rings || a.RingBytes(test.cpus) != test.each) {
				t.Errorf("%s on %d CPUs: %d rings of %d bytes", a.Name, test.cpus, a.Rings(test.cpus), a.RingBytes(test.cpus))
			}
		}
	}
}
