// SPDX-License-Identifier: MIT

package plugin

import "testing"

// TestCaches: a walk over 8 MiB of lines misses each once, in caches of any size. What was
// used before it is gone from small caches, and still in those that have room for all.
func TestCaches(t *testing.T) {
	for _, c := range []struct {
		caches string
		data   uint64 // misses of the first level
		second uint64 // misses of the second
	}{
		{"4K/1,4K/1,64K/4", swept + 1, swept + 1}, // the last is that of the stack
		{"4K/64,4K/64,16384K/1", swept + 1, swept},
		{"16384K/1,4K/1,32768K/2", swept, swept},
	} {
		t.Run(c.caches, func(t *testing.T) {
			model, err := ParseCaches(c.caches)
			if err != nil {
				t.Fatal(err)
			}
			g := runWith(t, model, 1)
			got := g.counts(sweep)["sweep"]
			// Its text is in a line of what was executed before.
			if got[L1DMisses] != c.data || got[L1IMisses] != 0 || got[L2Misses] != c.second {
				t.Errorf("misses of L1D, L1I, L2: %d, %d, %d, want %d, 0, %d", got[L1DMisses], got[L1IMisses], got[L2Misses], c.data, c.second)
			}
			// A prefetcher of a stream has all lines of a page but the first.
			const streamed = swept - swept/64
			if beyond := min(streamed, c.second); got[L1DStreamed] != streamed || got[L2Streamed] != beyond {
				t.Errorf("streamed: %d, of which L2 misses %d, want %d, %d", got[L1DStreamed], got[L2Streamed], streamed, beyond)
			}
			// This is in two lines of its own, in two pages.
			if n := g.counts(crossing)["crossing"][L1IMisses]; n != 2 {
				t.Errorf("%d misses of L1I, want 2", n)
			}
			// With a model nothing else changes.
			plain := run(t, 1).counts(sweep)["sweep"]
			for counter := range L1DMisses {
				if got[counter] != plain[counter] {
					t.Errorf("counter %d is %d with a model, %d without", counter, got[counter], plain[counter])
				}
			}
		})
	}
}

func TestParseCaches(t *testing.T) {
	c, err := ParseCaches(DefaultCaches)
	if err != nil || c.String() != DefaultCaches || c.L2.sets() != 1024 {
		t.Errorf("%v, %v", c, err)
	}
	for _, text := range []string{
		"", "48K/12", "48K/12,32K/8", "48/12,32K/8,1280K/20", "48K,32K/8,1280K/20", "48K/0,32K/8,1280K/20", "48K/65,32K/8,1280K/20",
		"48K/7,32K/8,1280K/20", "48K/16,32K/8,1280K/20", "-48K/12,32K/8,1280K/20", "99999999K/1,32K/8,1280K/20", "48K/12,32K/8,1280K/20,1M/1",
	} {
		if c, err := ParseCaches(text); err == nil {
			t.Errorf("%q is taken as %s", text, c)
		}
	}
}
