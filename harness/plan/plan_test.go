// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

func TestShippedPlansLoad(t *testing.T) {
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Name != name {
			t.Errorf("plan %s calls itself %s", name, p.Name)
		}
		for _, cpus := range []int{1, 2, 8} {
			if name == "offline" && cpus == 1 {
				continue // the only one cannot be
			}
			if _, err := p.Configurations(cpus); err != nil {
				t.Errorf("%s on %d CPUs: %v", name, cpus, err)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load("quik"); err == nil || !strings.Contains(err.Error(), "quick") {
		t.Errorf("unknown name: %v, want the names there are", err)
	}
	path := filepath.Join(t.TempDir(), "mine.yaml")
	text := "name: mine\nevents: 10\nring_bytes_total: 65536\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil || p.Name != "mine" || p.Attach != "auto" || p.Blocks != 0 {
		t.Errorf("plan %+v, %v", p, err)
	}
}

// TestTextIsAPlan: the plan stored beside the results can be run again.
func TestTextIsAPlan(t *testing.T) {
	p, err := Load(Default)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if !cmp.Equal(again.Values, p.Values) || again.Seed != p.Seed || !slices.Equal(again.RingBytesTotal, p.RingBytesTotal) {
		t.Errorf("%+v became %+v", p, again)
	}
}

// TestParseTakesMarks: a plan may begin and end as any YAML file.
func TestParseTakesMarks(t *testing.T) {
	const good = "name: x\nevents: 100\nring_bytes_total: 65536\n"
	for _, text := range []string{"---\n" + good, good + "---\n", good + "...\n", "# c\n---\n" + good + "# d\n", good + "---\n# c\n", "%YAML 1.2\n---\n" + good, "# c\n%YAML 1.2\n---\n" + good, "%YAML 1.1\n---\n" + good} {
		if p, err := Parse([]byte(text)); err != nil || p.Name != "x" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "name: x\nevents: 100\nring_bytes_total: 65536\n"
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":       {good + "event: 5\n", "did you mean events?"},
		"line of a key":     {good + "event: 5\n", "line 4: unknown key \"event\" (did you mean events?)"},
		"twice":             {good + "events: 5\n", "events"},
		"no name":           {"events: 1\nring_bytes_total: 65536\n", "name"},
		"name of words":     {strings.Replace(good, "name: x", "name: my plan", 1), "line 1: name"},
		"no events":         {"name: x\nring_bytes_total: 65536\n", "events"},
		"text for number":   {strings.Replace(good, "100", "many", 1), "many"},
		"no size":           {"name: x\nevents: 1\n", "ring_bytes_each"},
		"odd size":          {strings.Replace(good, "65536", "65535", 1), "line 3: ring_bytes_total: 65535, want a power of two"},
		"attach":            {good + "attach: tracepiont\n", "line 4: attach: \"tracepiont\", want one of auto, tracepoint, kprobe, fentry, raw-tracepoint (did you mean tracepoint?)"},
		"keys of two lines": {good + "event: 5\nblock: 1\n", "line 4: unknown key \"event\" (did you mean events?)\nline 5: unknown key \"block\" (did you mean blocks?)"},
		"key in a scenario": {good + "scenarios:\n  - name: a\n    evnts: 3\n", "line 6: unknown key \"evnts\" (did you mean events?)"},
		"second document":   {good + "---\nname: y\n", "line 4: a second document, want one"},
		"broken after it":   {good + "---\n[\n", "line"},
		"alias of itself":   {good + "pairs: &a [*a]\n", "line 4"},
		"nothing":           {"# a comment\n", "there is nothing in it"},
		"transport":         {good + "pairs: [[perf, ringbuff]]\n", "line 4: transport \"ringbuff\", want one of " + vocab.Join(vocab.Transports()) + " (did you mean ringbuf?"},
		"one side":          {good + "pairs: [[perf]]\n", "want two"},
		"policy":            {good + "pairs: [[perf/adaptive, ringbuf]]\n", "every, wakeup_events=N, watermark=BYTES, timer"},
		"policy by name":    {good + "pairs: [[perf, ringbuf/adaptve]]\n", "did you mean adaptive?"},
		"policy without N":  {good + "pairs: [[perf, ringbuf/batch]]\n", "batch=N"},
		"workload":          {good + "workload: strom\n", "did you mean storm?"},
		"payload":           {good + "payload_bytes: [64, 65517]\n", "payload_bytes: 65517"},
		"empty list":        {good + "payload_bytes: []\n", "nothing would be measured"},
		"empty pairs":       {good + "pairs: []\n", "nothing would be measured"},
		"no scenario":       {good + "scenarios: []\n", "nothing would be measured"},
		"negative rate":     {good + "rate_hz: -1\n", "rate_hz"},
		"blocks":            {good + "blocks: -1\n", "line 4: blocks"},
		"shows":             {good + "shows: cost\n", "line 4: shows: \"cost\", want one of all, delivery, costs (did you mean costs?)"},
		"sweep":             {good + "sweep: {from_hz: 2, to_hz: 1, steps: 5}\n", "line 4: sweep"},
		"key of a sweep":    {good + "sweep: {from: 2}\n", "from"},
		"scenario twice":    {good + "scenarios: [{name: a}, {name: a}]\n", "there twice"},
		"no value":          {good + "payload_bytes:\n", "line 4: payload_bytes: no value"},
		"null in a list":    {good + "payload_bytes: [64, ~]\n", "line 4: payload_bytes[1]: no value"},
		"null deep down":    {good + "scenarios:\n  - name: a\n    payload_bytes: null\n", "line 6: scenarios[0].payload_bytes: no value"},
		"in a scenario":     {good + "scenarios:\n  - name: a\n    placement: hott\n", "line 6: scenarios[0].placement: \"hott\", want one of apart, hot, same, back-to-back, spread (did you mean hot?)"},
		"too many": {good + "blocks: 1000\npayload_bytes: [64, 65, 66, 67, 68, 69]\nproducers: [1, 2, 3, 4, 5]\n",
			"120000 trials on each kernel, at most 100000"},
		"not YAML": {"{", "line 2"},
		"a list":   {"- a\n", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something about %q", err, test.want)
			}
		})
	}
}

// TestImpossibleCells: impossible cells are rejected before any machine boots, with the
// formula that they violate.
func TestImpossibleCells(t *testing.T) {
	const storm = "name: x\nevents: 100\nring_bytes_each: 4096\nworkload: storm\n"
	for name, test := range map[string]struct{ text, want string }{
		"too large":           {storm + "payload_bytes: 4096\n", "4096-1 < 4112"},
		"wedge":               {storm + "payload_bytes: 4060\n", "4096 > 4096-1"},
		"too small":           {"name: x\nevents: 100\nring_bytes_each: 4096\npayload_bytes: 63\n", "64 at least"},
		"batch of programs":   {"name: x\nevents: 100\nring_bytes_each: 4096\nbatch: 2\n", "one event"},
		"no batch each":       {storm + "producers: 2\nbatch: 100\n", "100 x 2 = 200"},
		"late wake-up":        {storm + "pairs: [[perf, ringbuf/batch=57]]\n", "57 > 56"},
		"late watermark":      {storm + "pairs: [[perf/watermark=4096, ringbuf]]\n", "full before it wakes"},
		"nobody looks":        {storm + "pairs: [[perf/timer, ringbuf]]\n", "flush_ms"},
		"back to back, paced": {storm + "placement: back-to-back\nrate_hz: 5\n", "no rate"},
		"back to back, stall": {storm + "placement: back-to-back\nreader_stall_ms: -1\n", "cannot sleep until it has ended"},
		"back to back, batch": {storm + "placement: back-to-back\nbatch: 60\n", "holds 51"},
		"little of the total": {"name: x\nevents: 100\nring_bytes_total: 4096\n", "power of two"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, test.text).Configurations(2)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something about %q", err, test.want)
			}
		})
	}
}

// TestSetups: lists are multiplied, scenarios inherit and change.
func TestConfigurations(t *testing.T) {
	p := parse(t, `
name: x
events: [100, 200]
payload_bytes: [64, 128]
ring_bytes_total: 65536
ring_bytes_each: 4096
scenarios:
  - name: a
  - name: b
    events: 7
    producers: 2
    ring_bytes_each: [4096, 8192, 16384]
`)
	configs, err := p.Configurations(2)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, s := range configs {
		count[s.Scenario]++
		if s.Cells[0].PayloadBytes != s.Cells[1].PayloadBytes || s.Cells[0].Transport != "perf" || s.Cells[1].Policy != "adaptive" {
			t.Errorf("configuration %+v", s)
		}
		if s.Scenario == "b" && s.Cells[0].Events != 6 {
			t.Errorf("%d events of 2 producers", s.Cells[0].Events)
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 2 * 2 * 2, "b": 2 * 3}, count); diff != "" {
		t.Errorf("configurations (-want +got):\n%s", diff)
	}
}

func TestSet(t *testing.T) {
	p := parse(t, "name: x\nevents: 100\nring_bytes_total: 65536\nscenarios: [{name: a, payload_bytes: 99}]\n")
	for _, good := range []string{"payload_bytes=64,128", "blocks=3", "pairs=[[perf, ringbuf/every]]", "sweep={from_hz: 10, to_hz: 100, steps: 3}"} {
		if err := p.Set(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	configs, err := p.Configurations(2)
	if err != nil || len(configs) != 2 || configs[1].Cells[1].PayloadBytes != 128 || configs[0].Cells[1].Policy != "every" || p.Blocks != 3 || configs[0].Sweep == nil {
		t.Errorf("%+v, %v", configs, err)
	}
	before, err := p.Text()
	if err != nil {
		t.Fatal(err)
	}
	for bad, want := range map[string]string{
		"payload=64":              "payload_bytes",
		"payload_bytes":           "KEY=VALUE",
		"blocks=many":             "many",
		"blocks=-1":               "blocks: -1",
		"events=0":                "events: 0",
		"payload_bytes=":          "payload_bytes: no value",
		"scenarios=[{name: a b}]": "a b",
	} {
		if err := p.Set(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
		if after, err := p.Text(); err != nil || string(after) != string(before) {
			t.Errorf("%s: it was refused, and changed the plan to\n%s%v", bad, after, err)
		}
	}
}

// TestBisection: it finds a knee between the rates, and both ends.
func TestBisection(t *testing.T) {
	for _, knee := range []float64{5, 10, 250, 999, 1000, 5000} {
		b := NewBisection(&Sweep{FromHz: 10, ToHz: 1000, Steps: 12})
		for range 12 {
			rate := b.Next()
			if rate < 10 || rate > 1000 {
				t.Errorf("knee %g: a step of %g", knee, rate)
			}
			b.Saw(rate, rate > knee)
		}
		low, high := b.kept, b.lost
		if knee >= 10 && low > knee || high != 0 && high <= knee {
			t.Errorf("knee %g: between %g and %g", knee, low, high)
		}
		if knee > 10 && knee < 1000 && high/low > 1.01 {
			t.Errorf("knee %g: only known to be between %g and %g", knee, low, high)
		}
	}
}

func parse(t *testing.T, text string) *Plan {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCellRefusesTheWedge: sizes at which one loss would block a perf ring forever are
// rejected, and adjacent sizes are not.
func TestCellRefusesTheWedge(t *testing.T) {
	for payload, ok := range map[int]bool{4052: true, 4053: false, 4076: false, 4077: false} {
		p := parse(t, fmt.Sprintf("name: x\nevents: 1\nring_bytes_each: 4096\npayload_bytes: %d\n", payload))
		_, err := p.Configurations(2)
		if (err == nil) != ok {
			t.Errorf("payload %d: %v", payload, err)
		}
	}
}

func TestCellSharesTheTotal(t *testing.T) {
	p := parse(t, "name: x\nevents: 1\nring_bytes_total: 65536\n")
	for cpus, each := range map[int]int{1: 65536, 2: 32768, 3: 16384, 8: 8192} {
		configs, err := p.Configurations(cpus)
		if err != nil {
			t.Fatal(err)
		}
		perf, ring := configs[0].Cells[0], configs[0].Cells[1]
		if perf.RingBytes != each || perf.RingBytesTotal != each*cpus || ring.RingBytes != 65536 {
			t.Errorf("%d CPUs: %d bytes each, %d in all, ring buffer %d", cpus, perf.RingBytes, perf.RingBytesTotal, ring.RingBytes)
		}
	}
	if _, err := p.Configurations(32); err == nil {
		t.Error("rings of less than a page accepted")
	}
}

// TestOrderIsDrawn for each pair of trials, and the same each time.
func TestOrderIsDrawn(t *testing.T) {
	letters := map[string]string{"perf": "A", "ringbuf": "B"}
	drawn := map[string]int{}
	const seeds, blocks = 100, 3
	for seed := range uint64(seeds) {
		p := parse(t, "name: x\nevents: 1\nblocks: 3\nring_bytes_total: 65536\n")
		p.Seed = seed
		configs, err := p.Configurations(2)
		if err != nil {
			t.Fatal(err)
		}
		var trials []record.Trial
		for block := range blocks {
			trials = append(trials, p.Block("6.1", &configs[0], block)...)
		}
		order := ""
		ids := map[string]bool{}
		for i, trial := range trials {
			order += letters[string(trial.Cell.Transport)]
			if trial.Trial.Block != i/4 || trial.Trial.Position != i%4 {
				t.Errorf("trial %d is at %+v", i, trial.Trial)
			}
			ids[trial.ID] = true
		}
		for block := range blocks {
			drawn[order[4*block:4*block+4]]++
			if again := p.Block("6.1", &configs[0], block); again[0].Trial.Order != order[4*block:4*block+4] {
				t.Errorf("seed %d, block %d: %s, and then %s", seed, block, order[4*block:4*block+4], again[0].Trial.Order)
			}
		}
		if len(ids) != len(trials) {
			t.Errorf("%d ids for %d trials", len(ids), len(trials))
		}
	}
	// 300 draws of four that are as likely: 75 each, and five standard deviations.
	for _, order := range []string{"ABAB", "ABBA", "BAAB", "BABA"} {
		if n := drawn[order]; n < 37 || n > 113 {
			t.Errorf("%s drawn %d times of %d", order, n, seeds*blocks)
		}
	}
	if len(drawn) != 4 {
		t.Errorf("drawn: %v", drawn)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, err := plans.ReadFile("plans/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if err := p.Check(); err != nil {
			t.Errorf("accepted, and refused: %v", err)
		}
	})
}
