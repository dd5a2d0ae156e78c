// SPDX-License-Identifier: MIT

package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
)

// TestWords: each configuration of each built-in plan can be selected alone.
func TestWords(t *testing.T) {
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, cpus := range []int{1, 2, 3, 8} {
			configs, err := p.Configurations(cpus)
			if err != nil {
				continue // it does not fit so many CPUs
			}
			for i, want := range configs {
				words, err := Words(&want.Cells[0], &want.Cells[1])
				if err != nil {
					t.Fatal(err)
				}
				alone, err := Load(Plain)
				if err != nil {
					t.Fatal(err)
				}
				for _, word := range append(words, "attach="+string(want.Cells[0].Attach)) {
					if err := alone.Set(word); err != nil {
						t.Fatalf("%s: %v", word, err)
					}
				}
				got, err := alone.Configurations(cpus)
				if err != nil || len(got) != 1 {
					t.Fatalf("plan %s, configuration %d, %d CPUs, %q: %d configurations, %v", name, i, cpus, words, len(got), err)
				}
				if diff := cmp.Diff(want.Cells, got[0].Cells); diff != "" {
					t.Errorf("plan %s, configuration %d, %d CPUs, %q:\n%s", name, i, cpus, words, diff)
				}
			}
		}
	}
	p, err := Load(Plain)
	if err != nil {
		t.Fatal(err)
	}
	configs, err := p.Configurations(2)
	if err != nil {
		t.Fatal(err)
	}
	if words, err := Words(&configs[0].Cells[0], &configs[0].Cells[1]); len(words) != 0 || err != nil {
		t.Errorf("the default plan takes %q, %v", words, err)
	}
	cell := record.Cell{Transport: "perf", RateHz: 1e6}
	words, err := Words(&cell, &cell)
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(words[0], "pairs=[[perf, perf]]") || !slices.Contains(words, "rate_hz=1000000") {
		t.Errorf("%q", words)
	}
}
