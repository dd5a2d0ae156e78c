// SPDX-License-Identifier: MIT

package plugin

import (
	"fmt"
	"strconv"
	"strings"
)

// Caches are a model of the caches of a core, with lines of 64 bytes: set-associative, the
// least recently used line is replaced, and nothing is prefetched.
type Caches struct{ L1D, L1I, L2 Cache }

// Cache is one of them.
type Cache struct{ Bytes, Ways int }

const lineBytes = 64

func (c Cache) sets() int { return c.Bytes / lineBytes / max(c.Ways, 1) }

// Check rejects what cannot be a cache.
func (c *Caches) Check() error {
	for _, level := range []struct {
		name string
		Cache
	}{{"L1D", c.L1D}, {"L1I", c.L1I}, {"L2", c.L2}} {
		sets := level.sets()
		if level.Ways < 1 || level.Ways > 64 || sets < 1 || sets > 1<<20 || sets&(sets-1) != 0 || sets*level.Ways*lineBytes != level.Bytes {
			return fmt.Errorf("cache %s of %d bytes and %d ways: want 1 to 64 ways, and a power of two of sets of lines of %d bytes", level.name, level.Bytes, level.Ways, lineBytes)
		}
	}
	return nil
}

// DefaultCaches are those of a core of a common server, Intel's Ice Lake, as its
// optimization manual has them.
const DefaultCaches = "48K/12,32K/8,1280K/20"

// ParseCaches reads the sizes and ways of L1D, L1I and L2, as in [DefaultCaches].
func ParseCaches(text string) (*Caches, error) {
	words := strings.Split(text, ",")
	if len(words) != 3 {
		return nil, fmt.Errorf("caches %q: want L1D,L1I,L2, as in %s", text, DefaultCaches)
	}
	var c Caches
	for i, into := range []*Cache{&c.L1D, &c.L1I, &c.L2} {
		size, ways, _ := strings.Cut(words[i], "/")
		kib, sizeErr := strconv.Atoi(strings.TrimSuffix(size, "K"))
		n, waysErr := strconv.Atoi(ways)
		if sizeErr != nil || waysErr != nil || !strings.HasSuffix(size, "K") || kib < 1 || kib > 1<<20 {
			return nil, fmt.Errorf("cache %q: want KILOBYTES/WAYS, as in 48K/12", words[i])
		}
		*into = Cache{Bytes: kib << 10, Ways: n}
	}
	return &c, c.Check()
}

// String is what [ParseCaches] reads.
func (c *Caches) String() string {
	var words []string
	for _, one := range []Cache{c.L1D, c.L1I, c.L2} {
		words = append(words, fmt.Sprintf("%dK/%d", one.Bytes>>10, one.Ways))
	}
	return strings.Join(words, ",")
}
