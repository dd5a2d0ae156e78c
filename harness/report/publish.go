// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"text/template"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Published is the cost of an event for its program on one kernel, for others to
// reproduce: an instruction count that depends only on the kernel.
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

// Publish writes the cost of an event for the program over kernels: a page, its chart and
// the figures. The comparisons are of one configuration on two kernels or more, in
// virtual time, all decided. Output is deterministic: it has no date.
func Publish(comparisons []verdict.Comparison, write func(name string, text []byte) error) error {
	trends := verdict.Trends(comparisons)
	if len(trends) != 1 {
		return fmt.Errorf("publish: %s that two kernels have figures of, want one", plural(len(trends), "configuration"))
	}
	all := trends[0].Comparisons
	m, _ := verdict.MetricNamed(publishedMetric)
	var lines bytes.Buffer
	var figures []Published
	for _, c := range all {
		row := c.Row(publishedMetric)
		switch {
		case c.Machine.Clock != record.Virtual:
			return fmt.Errorf("publish: %s was not measured in virtual time", kernelName(c))
		case c.Measured() < c.Planned || row == nil || !row.Decided():
			return fmt.Errorf("publish: on %s it is not decided", kernelName(c))
		}
		// Rounded to the digits that distinguish kernels: further ones come from the
		// division.
		tenth := func(x float64) float64 { return math.Round(10*x) / 10 }
		figures = append(figures, Published{
			Kernel: c.Kernel.Want, Release: c.Kernel.Release, Package: c.Kernel.Package, SHA256: c.Kernel.SHA256, QEMU: c.Machine.Version,
			Perf: tenth(row.A), Ringbuf: tenth(row.B),
		})
		text, err := json.Marshal(figures[len(figures)-1])
		if err != nil {
			return err
		}
		lines.Write(append(text, '\n'))
	}
	var page bytes.Buffer
	err := publishedPage.Execute(&page, map[string]any{
		"Table": published(&m, all), "Chart": PublishedChart, "Lines": PublishedLines, "Repeat": fmt.Sprintf("ringtwin vmtest %s --plan %s --clock virtual", all[len(all)-1].Kernel.Want, all[0].Plan), "Kernels": len(all),
	})
	return errors.Join(err, write(PublishedPage, page.Bytes()), write(PublishedChart, publishedChart(figures)), write(PublishedLines, lines.Bytes()))
}

// published is the table.
func published(m *verdict.Metric, all []*verdict.Comparison) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "| kernel | %s | change | %s | change | %s |\n|---|---:|---:|---:|---:|---:|\n", all[0].A.Cell.Transport.Spec().Title, all[0].B.Cell.Transport.Spec().Title, over(all[0]))
	last := [2]float64{math.NaN(), math.NaN()}
	for _, c := range all {
		row := c.Row(m.Slug)
		fmt.Fprintf(&b, "| %s |", c.Kernel.Want)
		for n, x := range []float64{row.A, row.B} {
			fmt.Fprintf(&b, " %.0f | %s |", x, step(last[n], x))
			last[n] = x
		}
		fmt.Fprintf(&b, " %.2f |\n", row.Ratio)
	}
	return b.Bytes()
}

// publishedChart is the chart of the page.
func publishedChart(figures []Published) []byte {
	f := &figure{title: "Instructions of the BPF program for each event, over kernels", x: "kernel", y: "instructions an event"}
	high := 0.0
	for n, transport := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
		name := transport.Spec().Title
		f.series = append(f.series, series{name: name, mark: name, number: n})
	}
	for at, k := range figures {
		f.xTicks = append(f.xTicks, tick{float64(at), k.Kernel})
		for n, x := range []float64{k.Perf, k.Ringbuf} {
			f.series[n].x, f.series[n].y = append(f.series[n].x, float64(at)), append(f.series[n].y, x)
			high = max(high, x)
		}
	}
	f.yTicks = linear(0, high, func(v float64) string { return fmt.Sprintf("%.0f", v) })
	return f.file()
}
