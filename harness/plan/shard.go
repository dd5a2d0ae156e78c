// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is one of several shares of some work, such as the third of eight. The zero value
// is all of it.
type Shard struct{ Index, Of int } // from 1

// mostShards is more machines than a fleet has.
const mostShards = 10000

// ParseShard reads 3/8.
func ParseShard(text string) (Shard, error) {
	index, of, _ := strings.Cut(text, "/")
	i, errI := strconv.Atoi(index)
	n, errN := strconv.Atoi(of)
	if errI != nil || errN != nil || n < 1 || n > mostShards || i < 1 || i > n {
		return Shard{}, fmt.Errorf("shard %q: want I/N, with N of 1 to %d and I of 1 to N, such as 3/8", text, mostShards)
	}
	return Shard{i, n}, nil
}

func (s Shard) whole() Shard {
	if s == (Shard{}) {
		return Shard{1, 1}
	}
	return s
}

// String is what [ParseShard] reads.
func (s Shard) String() string {
	s = s.whole()
	return fmt.Sprintf("%d/%d", s.Index, s.Of)
}

// MarshalText is [Shard.String].
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is [ParseShard].
func (s *Shard) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShard(string(text))
	return err
}

// Range returns the shard's share of units with these weights: those from from on, below
// to. Over all shards each unit is in exactly one share, and no share exceeds an equal one
// by more than the heaviest unit. With more shards than units, some are empty.
func (s Shard) Range(weights []int) (from, to int) {
	s = s.whole()
	total := 0
	for _, w := range weights {
		total += max(w, 1)
	}
	before := 0
	for _, w := range weights {
		w = max(w, 1)
		// The share that the middle of the unit falls into.
		index := 1 + (2*before+w)*s.Of/(2*total)
		before += w
		if index < s.Index {
			from++
		}
		if index <= s.Index {
			to++
		}
	}
	return from, to
}
