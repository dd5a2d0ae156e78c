package report

import (
	"fmt"
	"io"
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
// compares the transports.
func Bench(w io.Writer, trials []record.Trial) error {
	out := benchfmt.NewWriter(w)
	for _, unit := range benchUnits() {
		meta := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit.name, Key: "better"}, OrigUnit: unit.name, Value: string(unit.better)}
		if err := out.Write(meta); err != nil {
			return err
		}
	}
	for i := range trials {
		if trials[i].Status != record.OK {
			continue
		}
		if err := out.Write(benchResult(&trials[i])); err != nil {
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
		name := strings.NewReplacer(", per event", "/event", " ", "-").Replace(m.Name)
		u := benchUnit{name: name, scale: 1, better: m.Better, of: m.Of}
		switch m.Unit {
		case "ns":
			u.scale = 1e-9
			u.name = strings.Replace(name+"-sec", "/event-sec", "-sec/event", 1)
		case "bytes":
			u.name += "-B"
		}
		units = append(units, u)
	}
	lostPerEvent := func(t *record.Trial) float64 {
		return float64(t.Counts.FailedTotal()+t.Counts.Misses) / float64(max(t.Counts.Started, 1))
	}
	return append(units, benchUnit{name: "lost/event", scale: 1, better: verdict.Lower, of: lostPerEvent})
}

func benchResult(t *record.Trial) *benchfmt.Result {
	r := &benchfmt.Result{
		Config: []benchfmt.Config{
			config("goos", runtime.GOOS), config("goarch", runtime.GOARCH),
			config("kernel", t.Kernel.Release), config("accel", t.Machine.Accel), config("clock", t.Machine.Clock),
		},
		Name: benchfmt.Name(fmt.Sprintf("Execve/plan=%s/payload=%d/producers=%d/transport=%s-%d",
			t.Trial.Plan, t.Cell.PayloadBytes, t.Cell.Producers, t.Cell.Transport, t.Machine.CPUs)),
		Iters: int(t.Counts.Delivered),
	}
	for _, unit := range benchUnits() {
		r.Values = append(r.Values, benchfmt.Value{Value: unit.of(t) * unit.scale, Unit: unit.name})
	}
	return r
}

func config(key, value string) benchfmt.Config {
	return benchfmt.Config{Key: key, Value: []byte(strings.Join(strings.Fields(value), "-")), File: true}
}
