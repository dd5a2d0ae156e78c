// SPDX-License-Identifier: MIT

package profile

import (
	"cmp"
	"slices"

	"github.com/ringtwin/ringtwin/harness/record"
)

// Node is a function in one call context.
type Node struct {
	Function string
	// Self are the counts of the function itself in this context, and Inclusive with all
	// that it calls.
	Self, Inclusive PerEvent
	// Children are what it calls, sorted by name.
	Children []*Node

	self, inclusive Counts
	byName          map[string]*Node
}

// Child returns what the node calls by that name, or nil. A nil node has no children.
func (n *Node) Child(function string) *Node {
	if n == nil {
		return nil
	}
	return n.byName[function]
}

// Tree returns the call contexts of a part below one root without a name. The inclusive
// counts of the root are the total of the part.
func Tree(p *record.Profile, part Part) *Node {
	root := &Node{}
	from := part.Of(p)
	for _, s := range from.Stacks {
		at := root
		at.inclusive.add(&s)
		for _, f := range s.Frames {
			name := p.Functions[f]
			next := at.byName[name]
			if next == nil {
				next = &Node{Function: name}
				if at.byName == nil {
					at.byName = map[string]*Node{}
				}
				at.byName[name] = next
				at.Children = append(at.Children, next)
			}
			at = next
			at.inclusive.add(&s)
		}
		at.self.add(&s)
	}
	root.finish(float64(max(from.Per, 1)))
	return root
}

func (c *Counts) add(s *record.Stack) {
	for i, n := range s.Counts {
		c[i] += n
	}
}

// finish divides the sums, which are whole numbers so that their order does not matter.
func (n *Node) finish(per float64) {
	for i := range n.self {
		n.Self[i], n.Inclusive[i] = float64(n.self[i])/per, float64(n.inclusive[i])/per
	}
	slices.SortFunc(n.Children, func(a, b *Node) int { return cmp.Compare(a.Function, b.Function) })
	for _, child := range n.Children {
		child.finish(per)
	}
}
