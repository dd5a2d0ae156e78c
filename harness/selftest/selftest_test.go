// SPDX-License-Identifier: MIT

package selftest

import (
	"context"
	"slices"
	"testing"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestWhatIsNotInjectedIsNotFound: a measurement that misses a fault is detected on any
// host. cmd/ringtwin/testdata/script/selftest.txtar tests that every injected fault is
// found.
func TestWhatIsNotInjectedIsNotFound(t *testing.T) {
	testutils.Root(t)
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	r, err := trial.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blind := func(ctx context.Context, cells []record.Cell) (trials []*record.Trial, err error) {
		for _, cell := range cells {
			cell.Fault = ""
			t, err := r.Run(ctx, cell)
			if err != nil {
				return nil, err
			}
			trials = append(trials, t)
		}
		return trials, nil
	}
	var faults []vocab.FaultKind
	err = Run(t.Context(), Options{Measure: blind, Attach: attach, Transports: []vocab.Transport{vocab.Ringbuf}}, func(r Result) {
		t.Logf("%+v", r)
		faults = append(faults, r.Fault)
		if (r.Answer == Found) != (r.Fault == None) {
			t.Errorf("%+v", r)
		}
	})
	want := slices.DeleteFunc(Faults(), func(f vocab.FaultKind) bool { return !applies(vocab.Ringbuf, f) })
	if err != nil || !slices.Equal(faults, want) {
		t.Errorf("faults %v, %v", faults, err)
	}
}

// made are the trials of rounds whose figures are given, the amounts of a fault in the
// order of cells, on a host that was disturbed for a share of the time.
func made(cells []record.Cell, lost float64, of func(i int, cell record.Cell) float64) (trials []*record.Trial) {
	for i, cell := range cells {
		figure := of(i, cell)
		trials = append(trials, &record.Trial{
			Cell: cell, Rate: &record.Rate{DurationNS: 1e9}, Disturbance: &record.Disturbance{RunDelayNS: int64(lost * 1e9)},
			Cost:    &record.Cost{ProducerNSPerEvent: figure, ProducerCPUMedianNSPerEvent: figure},
			Latency: &record.Latency{P50: int64(figure)},
		})
	}
	return trials
}

// TestAnswers: a host's times decide only if they agree, and against a fault only if
// nothing else explains them.
func TestAnswers(t *testing.T) {
	noise := func(i int, share float64) float64 { return 1 + share*float64(i*7919%21-10)/10 }
	cost := map[string]float64{"": 300, "work=6000": 1700, "work=12000": 3100}
	missed := map[string]float64{"": 300, "work=6000": 1700, "work=12000": 1700}
	half := map[string]float64{"": 300, "work=6000": 1700, "work=12000": 2400}
	none := map[string]float64{"": 300, "work=6000": 300, "work=12000": 300}
	for name, c := range map[string]struct {
		cost  map[string]float64
		noise float64
		lost  float64
		drift float64 // of each trial against the one before
		slow  float64 // of two thirds of the trials with the most turns
		want  Answer
	}{
		"quiet":                 {cost: cost, noise: 0.01, want: Found},
		"noisy":                 {cost: cost, noise: 0.5, lost: 0.3, want: TooBusy},
		"slower all the time":   {cost: cost, noise: 0.01, drift: 0.002, want: Found},
		"disturbed, and sure":   {cost: cost, noise: 0.01, lost: 0.9, want: Found},
		"idle, as seen":         {cost: cost, noise: 0.05, lost: 0.15, want: Found},
		"slow most of the time": {cost: cost, noise: 0.01, slow: 0.15, want: Found},
		"half missed":           {cost: half, noise: 0.01, want: NotFound},
		"half missed, busy":     {cost: half, noise: 0.01, lost: 0.3, want: TooBusy},
		"second missed":         {cost: missed, noise: 0.01, want: NotFound},
		"all missed":            {cost: none, noise: 0.01, want: NotFound},
		"all missed, busy":      {cost: none, noise: 0.5, lost: 0.3, want: TooBusy},
	} {
		t.Run(name, func(t *testing.T) {
			o := &Options{}
			x := o.work(Cell(vocab.Ringbuf, vocab.AttachTracepoint))
			got := x.verify(made(x.cells, c.lost, func(i int, cell record.Cell) float64 {
				figure := c.cost[string(cell.Fault)] * noise(i, c.noise) * (1 + c.drift*float64(i))
				if cell.Fault == "work=12000" && i/3%3 > 0 {
					figure *= 1 + c.slow
				}
				return figure
			}))
			if got.Answer != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

// TestVirtualAnswers: one per cent decides, and the host is never too busy.
func TestVirtualAnswers(t *testing.T) {
	o := &Options{Virtual: true}
	cell := Cell(vocab.Ringbuf, vocab.AttachTracepoint)
	work, delay := o.work(cell), o.delay(cell)
	if len(work.cells) != 3 || len(delay.cells) != 2 {
		t.Fatalf("%d and %d trials", len(work.cells), len(delay.cells))
	}
	for name, c := range map[string]struct {
		x       experiment
		figures []float64
		want    Answer
	}{
		"twelve instructions a turn": {work, []float64{376, 376 + 24000, 376 + 48000}, Found},
		"half a per cent off":        {work, []float64{376, 376 + 24000, 376 + 48120}, Found},
		"two per cent off":           {work, []float64{376, 376 + 24000, 376 + 48480}, NotFound},
		"no whole number":            {work, []float64{376, 376 + 25000, 376 + 50000}, NotFound},
		"nothing":                    {work, []float64{376, 376, 376}, NotFound},
		"delayed":                    {delay, []float64{250_000, 650_100}, Found},
		"delayed too long":           {delay, []float64{250_000, 655_000}, NotFound},
		"not delayed":                {delay, []float64{50_000, 50_000}, NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.x.verify(made(c.x.cells, 0, func(i int, _ record.Cell) float64 { return c.figures[i] }))
			if got.Answer != c.want || got.Disturbed != "" {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}
