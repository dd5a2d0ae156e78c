// SPDX-License-Identifier: MIT

// Command calibrate compares the model of cycles with times: what an event costs over the
// ring buffer, as a ratio to the perf buffer, of a plan that was measured both on a machine
// and in virtual time. docs/why.md has its rows, with how many events a call makes.
//
//	sudo ringtwin run --plan examples/calibrate/plan.yaml --out out/native
//	ringtwin vmtest 6.18 --plan examples/calibrate/plan.yaml --blocks 1 --clock virtual --profile --caches default --out out/virtual
//	go run ./examples/calibrate -native out/native/latest -virtual out/virtual/latest
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

func main() {
	native := flag.String("native", "out/native/latest", "results of ringtwin run; several: separated by commas")
	virtual := flag.String("virtual", "out/virtual/latest", "results of ringtwin vmtest with a profile and caches")
	costs := flag.String("model", "", "costs that differ from the model's own, as ringtwin explain takes them")
	ghz := flag.Float64("ghz", 3.65, "cycles of the machine's core in a nanosecond, as costs.c prints them")
	flag.Parse()
	model, err := profile.ParseModel(*costs)
	if err == nil {
		err = calibrate(os.Stdout, strings.Split(*native, ","), []string{*virtual}, &model, *ghz)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// side is a transport in a scenario.
type side struct{ scenario, transport string }

const (
	perf = "perf"
	ring = "ringbuf"
)

func calibrate(w io.Writer, native, virtual []string, model *profile.Model, ghz float64) error {
	counts, order, err := counted(virtual)
	if err != nil {
		return err
	}
	times, err := timed(native)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "model: %s\n\n", model)
	fmt.Fprintln(w, "| scenario | perf, native | ring, native | ring/perf, native | by instructions | by caches alone | by the model | perf, model | ring, model |")
	fmt.Fprintln(w, "|:---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, scenario := range order {
		a, b := side{scenario, perf}, side{scenario, ring}
		if len(times[a]) == 0 || len(times[b]) == 0 {
			continue
		}
		nativeRatio := verdict.Median(times[b]) / verdict.Median(times[a])
		of := func(cycles func(profile.PerEvent) float64) string {
			r := cycles(counts[b]) / cycles(counts[a])
			return fmt.Sprintf("%.2f, %+.0f %%", r, 100*(r/nativeRatio-1))
		}
		fmt.Fprintf(w, "| %s | %.0f ns | %.0f ns | %.2f | %s | %s | %s | %.0f ns | %.0f ns |\n", scenario, verdict.Median(times[a]), verdict.Median(times[b]), nativeRatio,
			of(func(c profile.PerEvent) float64 { return c[record.Instructions] }), of(model.CachesAlone), of(model.Cycles),
			model.Cycles(counts[a])/ghz, model.Cycles(counts[b])/ghz)
	}
	estimate(w, counts, times, model)
	return nil
}

// estimate prints the cost of a store to a device with which the model has the same ratio of
// the scenarios woken and quiet as the machine: of the ring buffer alone, where they differ
// in nothing but the wake-up.
func estimate(w io.Writer, counts map[side]profile.PerEvent, times map[side][]float64, model *profile.Model) {
	woken, quiet := side{"woken", ring}, side{"quiet", ring}
	if len(times[woken]) == 0 || len(times[quiet]) == 0 {
		return
	}
	ratio := verdict.Median(times[woken]) / verdict.Median(times[quiet])
	without := *model
	without.Classes[slices.Index(profile.Classes(), record.DeviceWrites)] = 0
	// Each has without + stores x cost.
	cycles := ratio*without.Cycles(counts[quiet]) - without.Cycles(counts[woken])
	stores := counts[woken][record.DeviceWrites] - ratio*counts[quiet][record.DeviceWrites]
	if stores > 0 {
		fmt.Fprintf(w, "\nfor the ratio of the scenarios woken and quiet, of the ring buffer: device_writes=%.0f\n", max(cycles/stores, 0))
	}
}

// counted are the counts of an event of the thread that sends and reads, and the scenarios
// in their order.
func counted(files []string) (map[side]profile.PerEvent, []string, error) {
	trials, wrong := results.Read(files)
	if len(trials) == 0 && len(wrong) > 0 {
		return nil, nil, fmt.Errorf("read counts: %s", wrong[0])
	}
	counts := map[side]profile.PerEvent{}
	var order []string
	for _, s := range profile.Sides(trials) {
		if s.Profile.Caches == "" {
			return nil, nil, fmt.Errorf("read counts: %s has no misses: measure with --caches", s.Name())
		}
		if !slices.Contains(order, s.Scenario) {
			order = append(order, s.Scenario)
		}
		reader := profile.Parts()[1]
		counts[side{s.Scenario, string(s.Cell.Transport)}] = profile.Total(s.Profile, reader)
	}
	if len(order) == 0 {
		return nil, nil, results.ErrNoProfiles
	}
	number := map[string]int{}
	for i := range trials {
		number[trials[i].Trial.Scenario] = trials[i].Trial.Configuration
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Compare(number[a], number[b]) })
	return counts, order, nil
}

// timed are the nanoseconds of an event, of each trial.
func timed(files []string) (map[side][]float64, error) {
	trials, wrong := results.Read(files)
	if len(trials) == 0 && len(wrong) > 0 {
		return nil, fmt.Errorf("read times: %s", wrong[0])
	}
	times := map[side][]float64{}
	for i := range trials {
		if t := &trials[i]; t.Status == record.OK && t.Rate != nil && t.Rate.DeliveredHz > 0 {
			key := side{t.Trial.Scenario, string(t.Cell.Transport)}
			times[key] = append(times[key], 1e9/t.Rate.DeliveredHz)
		}
	}
	return times, nil
}
