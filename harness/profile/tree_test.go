// SPDX-License-Identifier: MIT

package profile

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

func TestTree(t *testing.T) {
	p := &record.Profile{
		Functions: []string{"write", "submit", "copy"},
		Program: record.Part{Per: 10, Stacks: []record.Stack{
			{Frames: []int{0}, Counts: record.ProfileCounts{50, 5}},
			{Frames: []int{0, 1}, Counts: record.ProfileCounts{300, 40, 20}},
			{Frames: []int{0, 1, 2}, Counts: record.ProfileCounts{100}},
			{Frames: []int{0, 2}, Counts: record.ProfileCounts{-20}},
			{Frames: []int{0, 1}, Counts: record.ProfileCounts{10}}, // again
		}},
	}
	root := Tree(p, Parts()[0])
	write := root.Child("write")
	submit := write.Child("submit")
	for _, test := range []struct {
		name            string
		node            *Node
		self, inclusive float64
	}{
		{"root", root, 0, 44},
		{"write", write, 5, 44},
		{"submit", submit, 31, 41},
		{"submit, copy", submit.Child("copy"), 10, 10},
		{"write, copy", write.Child("copy"), -2, -2},
	} {
		if got := test.node; got.Self[record.Instructions] != test.self || got.Inclusive[record.Instructions] != test.inclusive {
			t.Errorf("%s: %g itself, %g in all, want %g and %g", test.name, got.Self[record.Instructions], got.Inclusive[record.Instructions], test.self, test.inclusive)
		}
	}
	if submit.Inclusive[record.Loads] != 4 || write.Inclusive[record.Loads] != 4.5 {
		t.Errorf("loads: %g and %g", submit.Inclusive[record.Loads], write.Inclusive[record.Loads])
	}
	if write.Children[0].Function != "copy" || write.Children[1].Function != "submit" {
		t.Error("children are not sorted by name")
	}
	var none *Node
	if none.Child("x") != nil || submit.Child("x") != nil {
		t.Error("a child that is not there")
	}
	if reader := Tree(p, Parts()[1]); reader.Inclusive != (PerEvent{}) || len(reader.Children) > 0 {
		t.Errorf("a part without stacks: %+v", reader)
	}
}

// TestTreeTotal: whatever the stacks, the root has the total, and each node what it has
// itself and what its children have.
func TestTreeTotal(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		p := &record.Profile{Functions: []string{"a", "b", "c", "a"}, Reader: record.Part{Per: 1 + random.Int64N(9)}}
		for range random.IntN(20) {
			s := record.Stack{Counts: record.ProfileCounts{random.Int64N(1000) - 300}}
			for range 1 + random.IntN(5) {
				s.Frames = append(s.Frames, random.IntN(len(p.Functions)))
			}
			p.Reader.Stacks = append(p.Reader.Stacks, s)
		}
		part := Parts()[1]
		root := Tree(p, part)
		if got, want := root.Inclusive, Total(p, part); got != want {
			t.Fatalf("root %v, total %v", got, want)
		}
		var check func(n *Node)
		check = func(n *Node) {
			sum := n.Self[record.Instructions]
			for _, child := range n.Children {
				sum += child.Inclusive[record.Instructions]
				check(child)
			}
			if got := n.Inclusive[record.Instructions]; math.Abs(got-sum) > 1e-6 {
				t.Fatalf("%s has %g, its parts %g", n.Function, got, sum)
			}
		}
		check(root)
	}
}
