// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"golang.org/x/perf/benchfmt"
)

// Bench writes a benchmark result for each trial that is ok, so that
//
//	benchstat -col "/transport@(perf ringbuf)" bench.txt
//
// compares the transports. Lines that are no benchmarks are comments of the format.
func Bench(w io.Writer, r *Results) error {
	for _, p := range r.Problems {
		if _, err := fmt.Fprintf(w, "# %s\n", clean(p.String())); err != nil {
			return err
		}
	}
	out := benchfmt.NewWriter(w)
	for _, unit := range benchUnits() {
		meta := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit.name, Key: "better"}, OrigUnit: unit.name, Value: string(unit.better)}
		if err := out.Write(meta); err != nil {
			return err
		}
	}
	for i := range r.Trials {
		if r.Trials[i].Status != record.OK {
			continue
		}
		if err := out.Write(benchResult(&r.Trials[i])); err != nil {
			return err
		}
	}
	return nil
}

// benchUnit is a metric as the benchmark format names it: base units, and the
// unit tells the metrics apart.
type benchUnit struct {
	name   string
	scale  float64
	better verdict.Direction
	of     func(*record.Trial) float64
}

func benchUnits() []benchUnit {
	var units []benchUnit
	for _, m := range verdict.Metrics() {
		name := strings.NewReplacer(", per event", "/event", ", ", "-", " ", "-").Replace(m.Name)
		u := benchUnit{name: name, scale: 1, better: m.Better, of: m.Of}
		switch m.Unit {
		case "ns":
			u.scale = 1e-9
			u.name = strings.Replace(name+"-sec", "/event-sec", "-sec/event", 1)
		case "bytes":
			u.name += "-B"
		case "share":
			u.name = m.Short + "/event"
		case "Hz":
			u.name += "-Hz"
		}
		units = append(units, u)
	}
	return units
}

func benchResult(t *record.Trial) *benchfmt.Result {
	r := &benchfmt.Result{
		Config: []benchfmt.Config{
			config("goos", runtime.GOOS), config("goarch", runtime.GOARCH),
			config("kernel", t.Kernel.Release), config("accel", t.Machine.Accel), config("clock", t.Machine.Clock),
		},
		Name:  benchName(t),
		Iters: int(t.Counts.Delivered),
	}
	for _, unit := range benchUnits() {
		// A figure that cannot be written, or that a trial does not have.
		if v := unit.of(t) * unit.scale; !math.IsNaN(v) && !math.IsInf(v, 0) {
			r.Values = append(r.Values, benchfmt.Value{Value: v, Unit: unit.name})
		}
	}
	return r
}

// benchName has the parameters that distinguish configurations. The transport is last,
// for benchstat's columns.
func benchName(t *record.Trial) benchfmt.Name {
	name := "Execve"
	if t.Cell.Workload == "storm" {
		name = "Storm"
	}
	name += "/plan=" + t.Trial.Plan
	if t.Trial.Scenario != "" {
		name += "/scenario=" + t.Trial.Scenario
	}
	if t.Trial.Configuration > 0 {
		name += fmt.Sprintf("/setup=%d", t.Trial.Configuration)
	}
	if t.Trial.Step > 0 {
		name += fmt.Sprintf("/step=%d", t.Trial.Step)
	}
	for _, option := range []struct{ key, value string }{
		{"agent", t.Cell.Agent}, {"reader", string(t.Cell.Reader)}, {"shards", string(t.Cell.Shards)}, {"stage", string(t.Cell.Stage)},
	} {
		if option.value != "" {
			name += "/" + option.key + "=" + strings.NewReplacer(" ", "-", "/", "-").Replace(option.value)
		}
	}
	return benchfmt.Name(fmt.Sprintf("%s/payload=%d/producers=%d/transport=%s-%d", name, t.Cell.PayloadBytes, t.Cell.Producers, t.Cell.Transport, t.Machine.CPUs))
}

func config(key, value string) benchfmt.Config {
	return benchfmt.Config{Key: key, Value: []byte(strings.Join(strings.Fields(value), "-")), File: true}
}
