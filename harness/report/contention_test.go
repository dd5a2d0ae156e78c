// SPDX-License-Identifier: MIT

package report

import (
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringtwin/ringtwin/harness/contention"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// storm is a trial of the ring buffer in a VM of several CPUs, of whose program so many
// instructions were counted.
func storm(producers int, instructions int64) record.Trial {
	counts := record.ProfileCounts{record.Instructions: 100 * instructions, record.Transfers: 300, record.Locks: 100, record.Held: 5000, record.HeldTransfers: 300}
	return record.Trial{
		Status:  record.OK,
		Kernel:  record.Kernel{Want: "6.12", Release: "6.12.1"},
		Machine: record.Machine{Backend: "qemu", Clock: record.Wall, CPUs: 16},
		Cell:    record.Cell{Workload: vocab.Storm, Transport: vocab.Ringbuf, PayloadBytes: smallest, Producers: producers, Batch: 1},
		Profile: &record.Profile{
			Functions: []string{"bpf_prog_x", "__bpf_ringbuf_reserve"},
			Program:   record.Part{Per: 100, Stacks: []record.Stack{{Frames: []int{0, 1}, Counts: counts}}},
		},
	}
}

// onHost is one on the host, with so many ns of a producer for an event.
func onHost(transport vocab.Transport, producers int, ns float64) record.Trial {
	t := storm(producers, 0)
	t.Profile, t.Kernel.Want, t.Machine.Backend = nil, "host", record.Host
	t.Cell.Transport = transport
	t.Cost = &record.Cost{ProducerCPUNSPerEvent: ns}
	return t
}

// TestContentionCosts: counts that most trials have, the median of rates, and nothing of
// trials that say neither.
func TestContentionCosts(t *testing.T) {
	paced, virtual, alone, few, bad := storm(2, 200), storm(2, 200), storm(2, 200), storm(2, 200), storm(2, 200)
	paced.Cell.RateHz = 1000
	virtual.Machine.Clock = record.Virtual
	alone.Machine.CPUs = 1
	few.Profile.Program = record.Part{}
	bad.Status = record.Invalid
	unknown := onHost(vocab.Perf, 4, 100)
	unknown.Cost = nil
	trials := []record.Trial{
		storm(2, 190), storm(2, 200), storm(2, 200), storm(2, 300), storm(1, 150), paced, virtual, alone, few, bad,
		onHost(vocab.Perf, 2, 100), onHost(vocab.Perf, 2, 50), onHost(vocab.Perf, 2, 80), unknown,
	}
	demand := func(instructions float64) *contention.Demand {
		return &contention.Demand{Instructions: instructions, Held: 50, Transfers: 3, HeldTransfers: 3, Locks: 1}
	}
	of := func(kernel string, transport vocab.Transport, producers int) ContentionCost {
		return ContentionCost{Kernel: kernel, Release: "6.12.1", Transport: transport, Payload: smallest, Producers: producers, CPUs: 16}
	}
	want := []ContentionCost{of("6.12", vocab.Ringbuf, 1), of("6.12", vocab.Ringbuf, 2), of("host", vocab.Perf, 2)}
	want[0].Demand, want[1].Demand, want[2].RateHz = demand(150), demand(200), 2*1e9/80
	got, err := ContentionCostsOf(trials)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

// TestContentionCostsDiffer: trials that are no repetitions of each other are not put
// together.
func TestContentionCostsDiffer(t *testing.T) {
	for value, change := range map[string]func(*record.Trial){
		"cpus=3":          func(t *record.Trial) { t.Machine.CPUs = 3 },
		"cpu_model=other": func(t *record.Trial) { t.Machine.CPUModel = "other" },
		"release=6.12.2":  func(t *record.Trial) { t.Kernel.Release = "6.12.2" },
		"batch=50":        func(t *record.Trial) { t.Cell.Batch = 50 },
		"placement=hot":   func(t *record.Trial) { t.Cell.Placement = vocab.Hot },
		"ringbuf/every":   func(t *record.Trial) { t.Cell.Policy = "every" },
	} {
		other := storm(2, 200)
		change(&other)
		if _, err := ContentionCostsOf([]record.Trial{storm(2, 200), other}); err == nil || !strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// TestContentionCostsLost: an event that is lost costs less.
func TestContentionCostsLost(t *testing.T) {
	lost := storm(2, 200)
	lost.Counts = &record.Counts{Started: 100, Failed: map[string]uint64{"EAGAIN": 40}}
	if _, err := ContentionCostsOf([]record.Trial{storm(2, 200), lost}); err == nil || !strings.Contains(err.Error(), "lost 40 of 100 events") {
		t.Error(err)
	}
}

// TestTypical: of counts that as many trials have, it takes those with the most
// instructions; of these too, the first.
func TestTypical(t *testing.T) {
	for range 20 {
		a, b := contention.Demand{Instructions: 200, Transfers: 3}, contention.Demand{Instructions: 200, Transfers: 4}
		if got := typical([]contention.Demand{{Instructions: 190}, a, b}); got != a {
			t.Fatalf("%+v, want %+v", got, a)
		}
	}
}

// TestTransferTable: a number of producers that is missing leaves its place empty.
func TestTransferTable(t *testing.T) {
	one := func(kernel string, producers int, transfers float64) ContentionCost {
		return ContentionCost{
			Kernel: kernel, Transport: vocab.Ringbuf, Payload: smallest, Producers: producers,
			Demand: &contention.Demand{Instructions: 200, Held: 50, Transfers: transfers},
		}
	}
	other := one("6.1", 2, 99)
	other.Payload = 64
	got := TransferTable([]ContentionCost{one("6.1", 1, 0), other, one("6.1", 4, 44), one("6.12", 1, 0), one("6.12", 2, 2), one("6.12", 4, 4)})
	want := strings.Join([]string{
		"| kernel | transport | bytes | instructions | under the lock | lines: 1 producer | 2 | 4 |",
		"|---|---|---:|---:|---:|---:|---:|---:|",
		"| 6.1 | ring buffer | 8 | 200 | 50 | 0.0 | - | 44.0 |",
		"| 6.12 | ring buffer | 8 | 200 | 50 | 0.0 | 2.0 | 4.0 |",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestShared: every format has the table, and none says that either transport will do where
// nobody measured what they cost.
func TestShared(t *testing.T) {
	const n = 100_000 // so that it is decided that neither loses any
	perf, ring := storm(2, 700), storm(2, 200)
	perf.Cell.Transport, perf.Trial.Side, ring.Trial.Side = vocab.Perf, "A", "B"
	for i, trial := range []*record.Trial{&perf, &ring} {
		trial.ID, trial.Counts = strconv.Itoa(i), &record.Counts{Started: n, Triggers: n, Attempts: n, Submitted: n, Delivered: n}
		trial.Trial.Plan, trial.Trial.Order = "contention", "AB"
	}
	results := Of([]record.Trial{perf, ring})
	for _, format := range []string{"text", "markdown", "html"} {
		write := func(w io.Writer) error { return HTML(w, results) }
		if f, ok := FormatNamed(format); ok {
			write = func(w io.Writer) error { return f.Write(w, results) }
		}
		text := render(t, write)
		for _, want := range []string{"lines: 2 producers", "under the lock", "it costs was not measured"} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("%s: no %q in\n%.3000s", format, want, text)
			}
		}
	}
	lost := storm(2, 200)
	lost.Counts = &record.Counts{Started: 100, Failed: map[string]uint64{"EAGAIN": 40}}
	for _, write := range []func(io.Writer, *Results) error{HTML, Markdown, func(w io.Writer, r *Results) error { return Terminal(w, r, false) }} {
		text := render(t, func(w io.Writer) error { return write(w, Of([]record.Trial{lost})) })
		if !strings.Contains(strings.Join(strings.Fields(text), " "), "no table of what producers share: contention: a trial of ringbuf") {
			t.Errorf("nothing says why there is no table:\n%.3000s", text)
		}
	}
	if again := render(t, func(w io.Writer) error { return Terminal(w, Of([]record.Trial{perf}), false) }); strings.Contains(again, "either will do") {
		t.Errorf("of one side:\n%s", again)
	}
}

// TestNativeTable: rates are those of one and of two producers, wherever they stand, and
// without them there is no table.
func TestNativeTable(t *testing.T) {
	trials := []record.Trial{storm(1, 200), storm(2, 200), onHost(vocab.Ringbuf, 2, 150), onHost(vocab.Ringbuf, 4, 999), onHost(vocab.Perf, 4, 20), onHost(vocab.Perf, 2, 10)}
	table := func() (string, error) {
		costs, err := ContentionCostsOf(trials)
		if err != nil {
			t.Fatal(err)
		}
		return NativeTable(costs, "6.12")
	}
	if text, err := table(); err == nil || !strings.Contains(err.Error(), "1 producers at 0 events") {
		t.Errorf("without one producer: %v\n%s", err, text)
	}
	trials = append(trials, onHost(vocab.Ringbuf, 1, 50))
	text, err := table()
	if err != nil || strings.Count(text, "\n") != 4 || !strings.Contains(text, "| ring buffer | 8 | 20.0 | 13.3 | 13.3 | fitted |") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestFunctionCostsOfSeveral: two profiles of a transport on a kernel cannot be told apart
// in the file.
func TestFunctionCostsOfSeveral(t *testing.T) {
	if all, err := FunctionCostsOf([]record.Trial{storm(2, 200), storm(2, 200)}); err != nil || len(all) != 1 {
		t.Errorf("trials of one side: %d, %v", len(all), err)
	}
	if all, err := FunctionCostsOf([]record.Trial{storm(1, 200), storm(2, 200)}); err == nil || !strings.Contains(err.Error(), "producers=1") {
		t.Errorf("of two: %d, %v", len(all), err)
	}
}
