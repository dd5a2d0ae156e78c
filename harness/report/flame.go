// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// flameUnits is the width of a flame graph. The edges of frames are whole units, so that a
// frame never reaches beyond its caller in what is printed.
const flameUnits = 100_000

// Widths in units below which a frame is not drawn on its own, has no text on a narrow
// display, and has no text at all.
const (
	leastFrame  = flameUnits * 15 / 10_000
	narrowFrame = flameUnits * 7 / 100
	textFrame   = flameUnits * 25 / 1000
)

// Shares of all instructions from which on a difference has a colour, and a deep one.
const (
	leastChange = 0.002
	largeChange = 0.05
)

// flameShades is the number of the classes f0, f1 and so on of the style sheet.
const flameShades = 4

// mostRows is how deep calls are drawn: a profile may have contexts of 512 calls.
const mostRows = 128

// rowHeight of a frame, in the font size of the graph.
const rowHeight = 1.7

// flame is a flame graph: callers are above what they call.
type flame struct {
	Caption, Label string
	Height         string // in the graph's em
	Frames         []flameFrame
	Notes          []string
}

// flameFrame is a function in one call context, or several narrow ones.
type flameFrame struct {
	Class, Text, Title string
	Left, Width        string // in % of the graph
	Top                string // in the graph's em

	left, right, depth int // in units, and rows
}

// flamer lays out one graph.
type flamer struct {
	full    float64 // instructions per event that have the full width
	share   float64 // instructions per event that are 100 % in a tooltip
	against bool    // colours show the change from before
	frames  []flameFrame
	rows    int
	cut     bool // there are deeper calls
}

// flameOf draws a tree whose full width is so many instructions per event. A tree to
// compare with makes it differential. Widths are those of the tree: inclusive
// instructions, of which a negative number has no width.
func flameOf(root, before *profile.Node, name string, full float64) flame {
	f := flamer{full: full, share: root.Inclusive[record.Instructions], against: before != nil}
	own := *root
	own.Function = name
	if f.full > 0 {
		f.place(&own, before, 0, 0, f.edge(instructions(&own)))
	}
	graph := flame{Frames: f.frames, Height: em(f.rows)}
	if f.cut {
		graph.Notes = append(graph.Notes, fmt.Sprintf("Calls deeper than %d are not drawn.", mostRows))
	}
	return graph
}

// instructions are those of a node that its width shows.
func instructions(n *profile.Node) float64 { return max(0, n.Inclusive[record.Instructions]) }

// edge is where a number of instructions ends.
func (f *flamer) edge(n float64) int {
	return min(flameUnits, int(math.Round(flameUnits*n/f.full)))
}

// place draws a node and what it calls. What it calls may have more instructions than the
// node, whose own may be negative: then it shares the node's width.
func (f *flamer) place(n, before *profile.Node, depth, left, right int) {
	if right-left < leastFrame {
		return
	}
	if depth == mostRows {
		f.cut = true
		return
	}
	f.draw(flameFrame{Class: f.class(n, before), Text: f.text(n, before), Title: f.title(n, before), left: left, right: right, depth: depth})
	called := 0.0
	for _, child := range n.Children {
		called += instructions(child)
	}
	scale := f.full / flameUnits
	if have := float64(right-left) * scale; called > have {
		scale *= called / have
	}
	at := 0.0
	narrow, narrows := 0.0, 0
	for _, child := range n.Children {
		width := instructions(child) / scale
		if width < leastFrame {
			if width > 0 {
				narrow, narrows = narrow+instructions(child), narrows+1
			}
			continue
		}
		from := min(right, left+int(math.Round(at)))
		at += width
		f.place(child, before.Child(child.Function), depth+1, from, min(right, left+int(math.Round(at))))
	}
	from, to := min(right, left+int(math.Round(at))), min(right, left+int(math.Round(at+narrow/scale)))
	if to-from >= leastFrame && depth+1 < mostRows {
		name := plural(narrows, "narrow function")
		f.draw(flameFrame{Class: "z", Text: name, Title: fmt.Sprintf("%s\n%s instructions, %s", name, one(narrow), f.percent(narrow)), left: from, right: to, depth: depth + 1})
	}
}

func (f *flamer) draw(frame flameFrame) {
	width := frame.right - frame.left
	frame.Left, frame.Width, frame.Top = share(frame.left), share(width), em(frame.depth)
	switch {
	case width < textFrame:
		frame.Text = ""
	case width < narrowFrame:
		frame.Class += " t"
	}
	f.rows = max(f.rows, frame.depth+1)
	f.frames = append(f.frames, frame)
}

func share(units int) string { return fmt.Sprintf("%.6g", float64(units)/(flameUnits/100)) }

func em(rows int) string { return fmt.Sprintf("%.4g", rowHeight*float64(rows)) }

// class is the colour of a frame: of the change, or else one of the shades, by name, so
// that a function has the same in all graphs.
func (f *flamer) class(n, before *profile.Node) string {
	if !f.against {
		hash := fnv.New32a()
		hash.Write([]byte(n.Function))
		return fmt.Sprintf("f%d", hash.Sum32()%flameShades)
	}
	switch change := f.change(n, before) / f.share; {
	case change >= largeChange:
		return "u2"
	case change >= leastChange:
		return "u1"
	case change <= -largeChange:
		return "d2"
	case change <= -leastChange:
		return "d1"
	}
	return "z"
}

// change is how many inclusive instructions a frame has more than before.
func (f *flamer) change(n, before *profile.Node) float64 {
	change := n.Inclusive[record.Instructions]
	if before != nil {
		change -= before.Inclusive[record.Instructions]
	}
	return change
}

// text is the name; in a differential graph a sign says what the colour does.
func (f *flamer) text(n, before *profile.Node) string {
	name := functionName(n.Function)
	switch class := f.class(n, before); {
	case strings.HasPrefix(class, "u"):
		return "+ " + name
	case strings.HasPrefix(class, "d"):
		return "− " + name
	}
	return name
}

// title is the tooltip.
func (f *flamer) title(n, before *profile.Node) string {
	in, self := &n.Inclusive, &n.Self
	text := fmt.Sprintf("%s\n%s instructions, %s; %s itself\n%s loads, %s stores", functionName(n.Function),
		one(in[record.Instructions]), f.percent(in[record.Instructions]), one(self[record.Instructions]), one(in[record.Loads]), one(in[record.Stores]))
	switch {
	case before != nil:
		text += fmt.Sprintf("\nA: %s instructions; %s itself\nB-A: %s instructions; %s itself", one(before.Inclusive[record.Instructions]), one(before.Self[record.Instructions]),
			more(f.change(n, before)), more(self[record.Instructions]-before.Self[record.Instructions]))
	case f.against:
		text += "\nnot in A"
	}
	return text
}

// percent is a share of all instructions of the graph.
func (f *flamer) percent(n float64) string { return fmt.Sprintf("%.1f %%", 100*n/f.share) }

// one and more have one decimal, and no minus before a zero; more has a plus.
func one(x float64) string  { return tenthsText(int64(math.Round(10*x)), false) }
func more(x float64) string { return tenthsText(int64(math.Round(10*x)), true) }
