// SPDX-License-Identifier: MIT

package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/golden"
)

// wellFormed fails the test unless the text is XML, and returns its elements by name.
func wellFormed(t *testing.T, text string) map[string]int {
	t.Helper()
	elements := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
}

// TestSVG: a chart is complete, whatever the texts are.
func TestSVG(t *testing.T) {
	f := &figure{
		title: `a "title" <b>&`, x: "kernel", y: "ns an event", xTicks: []tick{{0, "5.10"}, {1, "6.1"}, {2, "<7>"}}, yTicks: linear(0, 130, number),
		series: []series{
			{name: "perf & co", x: []float64{0, 1, 2}, y: []float64{130, 90, 100}, mark: "<perf>"},
			{name: "ringbuf", number: 1, x: []float64{0, 2}, y: []float64{10, 40}},
			{name: "dot", number: 9, alone: true, mark: "1", x: []float64{1}, y: []float64{50}},
		},
	}
	text := string(f.svg())
	elements := wellFormed(t, text)
	if elements["circle"] != 6 || elements["g"] != 3 || elements["title"] != 1 || elements["b"] != 0 {
		t.Errorf("elements %v in %s", elements, text)
	}
	for _, want := range []string{
		"<title>a &#34;title&#34; &lt;b&gt;&amp;</title>", "Across: kernel from 5.10 to &lt;7&gt;. Up: ns an event from 0 to 150. Shown: perf &amp; co; ringbuf; dot.</desc>",
		">&lt;7&gt;</text>", ">&lt;perf&gt;</text>", `<g class="s0">`, `<g class="s1">`, `>ns an event</text>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if none := (&figure{}).svg(); none != "" {
		t.Errorf("nothing to draw: %s", none)
	}
}

// TestLayout: points lie within the axes, labels within the chart, and no label on
// another, however many and however long.
func TestLayout(t *testing.T) {
	for _, n := range []int{1, 2, 11, 60} {
		for _, label := range []string{"6.1", "6.12.38+deb13-cloud-amd64"} {
			t.Run(fmt.Sprint(n, label), func(t *testing.T) {
				f := &figure{yTicks: linear(0, 7e6, number)}
				for i := range 2 {
					f.series = append(f.series, series{mark: "ring buffer", number: i})
					for at := range n {
						f.series[i].x, f.series[i].y = append(f.series[i].x, float64(at)), append(f.series[i].y, 6e6+float64(at))
					}
				}
				for at := range n {
					f.xTicks = append(f.xTicks, tick{float64(at), label})
				}
				d := f.drawing()
				right, labels := math.Inf(-1), 0
				for i, tick := range d.XTicks {
					if tick.Text == "" {
						continue
					}
					labels++
					if i > 0 && tick.At-width(tick.Text)/2 < right {
						t.Errorf("label %d at %g begins before the last ends, at %g", i, tick.At, right)
					}
					right = tick.At + width(tick.Text)/2
				}
				if labels == 0 || d.XTicks[n-1].Text == "" {
					t.Errorf("%d labels, the last %q", labels, d.XTicks[n-1].Text)
				}
				for _, l := range d.Lines {
					for _, at := range l.Dots {
						if at[0] < d.Left || at[0] > d.Right || at[1] < d.Top || at[1] > d.Bottom {
							t.Errorf("a point at %v, axes %g to %g and %g to %g", at, d.Left, d.Right, d.Top, d.Bottom)
						}
					}
				}
				if a, b := d.Marks[0], d.Marks[1]; math.Abs(a.At[1]-b.At[1]) < fontSize || a.At[0]+width(a.Text) > chartWidth {
					t.Errorf("names at %v and %v", a.At, b.At)
				}
			})
		}
	}
}

// TestPublishedChart: the chart is the one of the figures beside it; -update draws it anew.
func TestPublishedChart(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "results")
	text, err := os.ReadFile(filepath.Join(dir, PublishedLines))
	if err != nil {
		t.Fatal(err)
	}
	var figures []Published
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var p Published
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		figures = append(figures, p)
	}
	chart := string(publishedChart(figures))
	wellFormed(t, chart)
	golden.Check(t, filepath.Join(dir, PublishedChart), chart)
}
