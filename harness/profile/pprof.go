// SPDX-License-Identifier: MIT

package profile

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Million is the number of events of the counts in a file of pprof, which has whole
// numbers.
const Million = 1_000_000

// WritePprof writes the profile as pprof reads it, with counts of a million events. The
// outermost frame is the part.
//
// https://github.com/google/pprof/blob/main/proto/profile.proto
func WritePprof(w io.Writer, p *record.Profile, comment string) error {
	out := &profile.Profile{
		PeriodType: &profile.ValueType{Type: "events", Unit: "count"}, Period: Million,
		DefaultSampleType: record.ProfileCounters()[record.Instructions],
		Comments: []string{
			comment, "exact counts of instructions in virtual time, of 1,000,000 events: -divide_by=1e6 shows those of one",
		},
	}
	counters := len(record.ProfileCounters())
	if p.Caches == "" {
		counters = record.Lines + 1
	}
	for _, name := range record.ProfileCounters()[:counters] {
		out.SampleType = append(out.SampleType, &profile.ValueType{Type: name, Unit: "count"})
	}
	locations := map[string]*profile.Location{}
	locate := func(name string) *profile.Location {
		if locations[name] == nil {
			id := uint64(len(locations) + 1)
			f := &profile.Function{ID: id, Name: name, SystemName: name}
			locations[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
			out.Function = append(out.Function, f)
			out.Location = append(out.Location, locations[name])
		}
		return locations[name]
	}
	for _, part := range Parts() {
		from := part.Of(p)
		for _, s := range from.Stacks {
			sample := &profile.Sample{Label: map[string][]string{"part": {part.Name}}}
			for _, frame := range slices.Backward(s.Frames) {
				sample.Location = append(sample.Location, locate(p.Functions[frame]))
			}
			sample.Location = append(sample.Location, locate("["+part.Name+"]"))
			for _, n := range s.Counts[:counters] {
				sample.Value = append(sample.Value, int64(math.Round(float64(n)*Million/float64(from.Per))))
			}
			out.Sample = append(out.Sample, sample)
		}
	}
	if err := out.CheckValid(); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return out.Write(w)
}

// WriteFolded writes a line for each call context: the functions, the outermost first,
// and the instructions of an event.
//
// https://www.brendangregg.com/FlameGraphs/cpuflamegraphs.html
func WriteFolded(w io.Writer, p *record.Profile) error {
	for _, part := range Parts() {
		from := part.Of(p)
		for _, s := range from.Stacks {
			n := s.Counts[record.Instructions]
			if n == 0 {
				continue
			}
			names := []string{part.Name}
			for _, frame := range s.Frames {
				names = append(names, strings.NewReplacer(";", ":", "\n", " ").Replace(p.Functions[frame]))
			}
			value := strconv.FormatFloat(float64(n)/float64(from.Per), 'f', -1, 64)
			if _, err := fmt.Fprintf(w, "%s %s\n", strings.Join(names, ";"), value); err != nil {
				return err
			}
		}
	}
	return nil
}
