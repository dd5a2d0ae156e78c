package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/bpf"
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
			if _, err := p.Trials("6.1", cpus); err != nil {
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
	if err != nil || p.Name != "mine" || p.Attach != "auto" || p.Blocks != 1 {
		t.Errorf("plan %+v, %v", p, err)
	}
}

// TestTextIsAPlan: what is stored beside the results can be run again.
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
	if again.Events != p.Events || again.Seed != p.Seed || again.RingBytesTotal != p.RingBytesTotal {
		t.Errorf("%+v became %+v", p, again)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "name: x\nevents: 100\nring_bytes_total: 65536\n"
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":     {good + "program: 5\n", "program"},
		"twice":           {good + "events: 5\n", "events"},
		"no name":         {"events: 1\nring_bytes_total: 65536\n", "name"},
		"name of words":   {strings.Replace(good, "name: x", "name: my plan", 1), "name"},
		"no programs":     {"name: x\nring_bytes_total: 65536\n", "events: 0"},
		"text for number": {strings.Replace(good, "100", "many", 1), "many"},
		"both sizes":      {good + "ring_bytes_each: 4096\n", "exactly one"},
		"no size":         {"name: x\nevents: 1\n", "exactly one"},
		"odd size":        {strings.Replace(good, "65536", "65535", 1), "power of two"},
		"attach":          {good + "attach: hook\n", "tracepoint"},
		"transports":      {good + "transports: [perf]\n", "transports"},
		"workload":        {good + "workload: storm\n", "execve"},
		"payload":         {good + "payload_bytes: 65517\n", "payload_bytes"},
		"producers":       {good + "producers: 3\n", "shared equally"},
		"negative rate":   {good + "rate_hz: -1\n", "rate_hz"},
		"blocks":          {good + "blocks: -1\n", "blocks"},
		"not YAML":        {"{", ""},
		"a list":          {"- a\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something about %q", err, test.want)
			}
		})
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

// TestCellRefusesTheWedge: sizes at which one loss would block a perf ring for
// ever are refused, and the ones beside them are not.
func TestCellRefusesTheWedge(t *testing.T) {
	for payload, ok := range map[int]bool{4052: true, 4053: false, 4076: false, 4077: false} {
		p := parse(t, "name: x\nevents: 1\nring_bytes_each: 4096\n")
		p.PayloadBytes = payload
		_, err := p.Cell(bpf.Perf, 2)
		if (err == nil) != ok {
			t.Errorf("payload %d: %v", payload, err)
		}
	}
}

func TestCellSharesTheTotal(t *testing.T) {
	p := parse(t, "name: x\nevents: 1\nring_bytes_total: 65536\n")
	for cpus, each := range map[int]int{1: 65536, 2: 32768, 3: 16384, 8: 8192} {
		cell, err := p.Cell(bpf.Perf, cpus)
		if err != nil || cell.RingBytes != each || cell.RingBytesTotal != each*cpus {
			t.Errorf("%d CPUs: %d bytes each, %d in all, %v", cpus, cell.RingBytes, cell.RingBytesTotal, err)
		}
	}
	if _, err := p.Cell(bpf.Perf, 32); err == nil {
		t.Error("rings of less than a page accepted")
	}
	cell, err := p.Cell(bpf.Ringbuf, 8)
	if err != nil || cell.RingBytes != 65536 {
		t.Errorf("ring buffer of %d bytes, %v", cell.RingBytes, err)
	}
}

// TestTrialsAlternate: blocks are ABBA and BAAB in turn, and the seed decides
// which is first.
func TestTrialsAlternate(t *testing.T) {
	letters := map[string]string{"perf": "A", "ringbuf": "B"}
	starts := map[string]bool{}
	for seed := range uint64(20) {
		p := parse(t, "name: x\nevents: 1\nblocks: 3\nring_bytes_total: 65536\n")
		p.Seed = seed
		trials, err := p.Trials("6.1", 2)
		if err != nil {
			t.Fatal(err)
		}
		order := ""
		ids := map[string]bool{}
		for i, trial := range trials {
			order += letters[trial.Cell.Transport]
			if trial.Trial.Block != i/4 || trial.Trial.Position != i%4 {
				t.Errorf("trial %d is at %+v", i, trial.Trial)
			}
			ids[trial.ID] = true
		}
		if order != "ABBABAABABBA" && order != "BAABABBABAAB" {
			t.Errorf("seed %d: %s", seed, order)
		}
		if len(ids) != len(trials) {
			t.Errorf("%d ids for %d trials", len(ids), len(trials))
		}
		starts[order[:4]] = true
	}
	if len(starts) != 2 {
		t.Errorf("every seed starts with %v", starts)
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
