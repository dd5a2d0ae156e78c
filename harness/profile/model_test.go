// SPDX-License-Identifier: MIT

package profile

import (
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

func TestCycles(t *testing.T) {
	model := Model{Width: 4, Second: 10, Beyond: 100, Classes: [len(classes)]float64{1000, 1e4, 1e5, 1e6, 1e7}}
	for _, test := range []struct {
		name        string
		of          PerEvent
		want, alone float64
	}{
		{"instructions", PerEvent{record.Instructions: 20, record.Loads: 7}, 5, 5},
		{"misses", PerEvent{record.L1DMisses: 3, record.L1IMisses: 2, record.L2Misses: 1}, 140, 140},
		{"streams", PerEvent{record.L1DMisses: 3, record.L2Misses: 3, record.L1DStreamed: 2, record.L2Streamed: 1}, 190, 300},
		{"classes", PerEvent{record.KernelReturns: 1, record.Entries: 2, record.Locked: 3, record.TSCReads: 4, record.DeviceWrites: 5}, 54321000, 0},
	} {
		if got := model.Cycles(test.of); got != test.want {
			t.Errorf("%s: %g cycles, want %g", test.name, got, test.want)
		}
		if got := model.CachesAlone(test.of); got != test.alone {
			t.Errorf("%s: %g cycles of caches alone, want %g", test.name, got, test.alone)
		}
	}
}

func TestParseModel(t *testing.T) {
	m, err := ParseModel("kernel_returns=0,width=2,beyond=90.5")
	want := DefaultModel
	want.Classes[0], want.Width, want.Beyond = 0, 2, 90.5
	if err != nil || m != want {
		t.Errorf("%v, %v, want %v", m, err, want)
	}
	for _, m := range []Model{m, DefaultModel} {
		if again, err := ParseModel(m.String()); err != nil || again != m {
			t.Errorf("%v, %v, want %v", again, err, m)
		}
	}
	if m, err := ParseModel(""); err != nil || m != DefaultModel {
		t.Errorf("%v, %v, want the default", m, err)
	}
	for _, text := range []string{"width=0", "returns=1", "locked", "locked=", "locked=-1", "locked=NaN", "locked=1e10", "locked=1,", "width=5e-324", "width=2,width=3", "locked=0x10", "instructions=1"} {
		if m, err := ParseModel(text); err == nil {
			t.Errorf("%q is taken as %s", text, m)
		}
	}
}
