// SPDX-License-Identifier: MIT

package plan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"1/1": {1, 1}, "3/8": {3, 8}, "10000/10000": {10000, 10000}} {
		got, err := ParseShard(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "3", "3/", "/8", "0/8", "9/8", "-1/8", "1/0", "1/10001", "1/2/3", "a/b", "1 / 2"} {
		if got, err := ParseShard(text); err == nil || !strings.Contains(err.Error(), "want I/N") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got := (Shard{}).String(); got != "1/1" {
		t.Errorf("the zero value is %s", got)
	}
}

func TestShardRange(t *testing.T) {
	for name, test := range map[string]struct {
		weights []int
		of      int
		want    [][2]int
	}{
		"all":                    {[]int{4, 4, 4}, 1, [][2]int{{0, 3}}},
		"equal":                  {[]int{4, 4, 4, 4}, 2, [][2]int{{0, 2}, {2, 4}}},
		"one heavy":              {[]int{4, 4, 4, 12}, 2, [][2]int{{0, 3}, {3, 4}}},
		"one for each":           {[]int{4, 4, 4}, 3, [][2]int{{0, 1}, {1, 2}, {2, 3}}},
		"more shards than units": {[]int{4, 4}, 4, [][2]int{{0, 0}, {0, 1}, {1, 1}, {1, 2}}},
		"nothing":                {nil, 2, [][2]int{{0, 0}, {0, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got [][2]int
			for i := range test.of {
				from, to := Shard{i + 1, test.of}.Range(test.weights)
				got = append(got, [2]int{from, to})
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestShardProperties: for any units and any number of shards, each unit is in exactly one
// share, shares are in order, and none is heavier than an equal one and the heaviest unit.
func TestShardProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		weights := make([]int, 1+random.IntN(60))
		total := 0
		for i := range weights {
			weights[i] = 1 + random.IntN(1<<random.IntN(12))
			total += weights[i]
		}
		of := 1 + random.IntN(80)
		next := 0
		for i := range of {
			from, to := Shard{i + 1, of}.Range(weights)
			if from != next || to < from {
				t.Fatalf("%v: shard %d/%d is %d to %d, behind %d", weights, i+1, of, from, to, next)
			}
			next = to
			sum := 0
			for _, w := range weights[from:to] {
				sum += w
			}
			if sum*of > total+slices.Max(weights)*of {
				t.Fatalf("%v: shard %d/%d weighs %d of %d", weights, i+1, of, sum, total)
			}
		}
		if next != len(weights) {
			t.Fatalf("%v: %d shards have %d of %d units", weights, of, next, len(weights))
		}
	}
}

func FuzzParseShard(f *testing.F) {
	f.Add("3/8")
	f.Add("10000/10000")
	f.Add("1//2")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShard(text)
		if err != nil {
			return
		}
		if again, err := ParseShard(s.String()); err != nil || again != s {
			t.Errorf("%q is %v, and %s is %v, %v", text, s, s, again, err)
		}
	})
}
