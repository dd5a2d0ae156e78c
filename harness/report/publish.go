// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"text/template"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// Published is what an event costs its program on one kernel, for others to repeat:
// an instruction count that depends on nothing but the kernel.
type Published struct {
	Kernel  string `json:"kernel"`
	Release string `json:"release"`
	Package string `json:"package"`
	SHA256  string `json:"sha256"` // of the kernel's image
	QEMU    string `json:"qemu"`
	// Instructions of the program an event, of the perf buffer and of the ring buffer.
	Perf    float64 `json:"perf"`
	Ringbuf float64 `json:"ringbuf"`
}

// publishedMetric is the figure that is published.
const publishedMetric = "instructions_per_event"

//go:embed published.tmpl
var publishedText string

var publishedPage = template.Must(template.New("").Parse(publishedText))

// The files that [Publish] writes.
const (
	PublishedPage  = "README.md"
	PublishedChart = "instructions.svg"
	PublishedLines = "figures.jsonl" // of [Published], by version
)

// Publish writes what an event costs the program over kernels: a page, its chart and
// the figures. The comparisons are those of one configuration on two kernels or more, in
// virtual time, all decided. Equal figures make equal bytes: there is no date in them.
func Publish(comparisons []verdict.Comparison, write func(name string, text []byte) error) error {
	trends := verdict.Trends(comparisons)
	if len(trends) != 1 {
		return fmt.Errorf("publish: %s that two kernels have figures of, want one", plural(len(trends), "configuration"))
	}
	all := trends[0].Comparisons
	m, _ := verdict.MetricNamed(publishedMetric)
	var lines bytes.Buffer
	for _, c := range all {
		row := c.Row(publishedMetric)
		switch {
		case c.Machine.Clock != record.Virtual:
			return fmt.Errorf("publish: %s was not measured in virtual time", kernelName(c))
		case c.Measured() < c.Planned || row == nil || !row.Decided():
			return fmt.Errorf("publish: on %s it is not decided", kernelName(c))
		}
		// To the digit that tells kernels apart: the last ones are of the division.
		tenth := func(x float64) float64 { return math.Round(10*x) / 10 }
		text, err := json.Marshal(Published{
			Kernel: c.Kernel.Want, Release: c.Kernel.Release, Package: c.Kernel.Package, SHA256: c.Kernel.SHA256, QEMU: c.Machine.Version,
			Perf: tenth(row.A), Ringbuf: tenth(row.B),
		})
		if err != nil {
			return err
		}
		lines.Write(append(text, '\n'))
	}
	table, chart := published(&m, all)
	var page bytes.Buffer
	err := publishedPage.Execute(&page, map[string]any{
		"Table": table, "Chart": PublishedChart, "Lines": PublishedLines, "Repeat": fmt.Sprintf("ringtwin vmtest %s --plan %s --clock virtual", all[len(all)-1].Kernel.Want, all[0].Plan), "Kernels": len(all),
	})
	return errors.Join(err, write(PublishedPage, page.Bytes()), write(PublishedChart, chart), write(PublishedLines, lines.Bytes()))
}

// published is the table, and the chart as a file of its own.
func published(m *verdict.Metric, all []*verdict.Comparison) (table, chart []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "| kernel | %s | change | %s | change | %s |\n|---|---:|---:|---:|---:|---:|\n", all[0].A.Cell.Transport.Spec().Title, all[0].B.Cell.Transport.Spec().Title, over(all[0]))
	f := &figure{title: m.Name + " over kernels", x: "kernel", y: "instructions an event"}
	last := [2]float64{math.NaN(), math.NaN()}
	high := 0.0
	for n, side := range all[0].Sides() {
		f.series = append(f.series, series{name: side.Label, number: n})
	}
	for at, c := range all {
		row := c.Row(m.Slug)
		f.xTicks = append(f.xTicks, tick{float64(at), c.Kernel.Want})
		fmt.Fprintf(&b, "| %s |", c.Kernel.Want)
		for n, x := range []float64{row.A, row.B} {
			fmt.Fprintf(&b, " %.0f | %s |", x, step(last[n], x))
			f.series[n].x, f.series[n].y = append(f.series[n].x, float64(at)), append(f.series[n].y, x)
			last[n], high = x, max(high, x)
		}
		fmt.Fprintf(&b, " %.2f |\n", row.Ratio)
	}
	for n, side := range all[0].Sides() { // a name beside the line: the file has no legend
		middle := len(all) / 2
		f.series = append(f.series, series{name: side.Label, number: n, alone: true, mark: side.Cell.Transport.Spec().Title, x: []float64{float64(middle)}, y: []float64{f.series[n].y[middle]}})
	}
	f.yTicks = linear(0, high, func(v float64) string { return fmt.Sprintf("%.0f", v) })
	return b.Bytes(), f.file()
}

// file is the chart with the colours that the page has for it.
func (f *figure) file() []byte {
	colours, _, _ := strings.Cut(pageStyle, "* {")
	return []byte(strings.Replace(string(f.svg()), ">", "><style>\n"+strings.TrimSpace(colours)+"\nsvg { font-family: sans-serif; }\n</style>", 1) + "\n")
}
