// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestLoad runs this kernel's verifier on all twins with every kind of tail.
func TestLoad(t *testing.T) {
	testutils.Root(t)
	attach, err := ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	var all []Options
	for _, n := range []int{64, 65, 71, 72, 164, 32 << 10} {
		all = append(all, Options{EventBytes: n})
	}
	for _, n := range []int{8, 9, 16, 24, 31, 40, 64, 32 << 10} {
		all = append(all, Options{Workload: vocab.Storm, EventBytes: n, Batch: 3})
	}
	all = append(all,
		Options{Workload: vocab.Storm, EventBytes: 2048, Batch: 3, Sizes: "heavy"},
		Options{Workload: vocab.Storm, EventBytes: 8, Batch: 500, Bare: true},
		Options{Workload: vocab.Storm, EventBytes: 64, Batch: 3, Shards: "2", Stage: "ms=1"},
	)
	for wakeup := WakeupAdaptive; wakeup <= WakeupNever; wakeup++ {
		all = append(all, Options{Workload: vocab.Storm, Batch: 3000, Wakeup: wakeup, WakeupBytes: 4096})
	}
	for _, opts := range all {
		for _, transport := range vocab.Transports() {
			opts.Transport, opts.Attach = transport, attach
			twin, err := Load(opts)
			if errors.Is(err, ErrUnsupported) {
				continue // kernels in machines have it: cmd/ringtwin
			}
			if tooLarge := transport.Spec().Family.Stages && opts.EventBytes > vocab.StageBytes; tooLarge {
				if err == nil {
					t.Errorf("%+v: accepted", opts)
				}
				continue
			}
			if err != nil {
				t.Errorf("%+v: %v", opts, err)
				continue
			}
			if err := twin.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	empty, err := LoadEmpty(attach)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(empty.Attach(), empty.Close()); err != nil {
		t.Error(err)
	}
}

func TestLoadRefusesNonsense(t *testing.T) {
	for name, opts := range map[string]Options{
		"transport": {Transport: "pigeon", Attach: vocab.AttachTracepoint},
		"attach":    {Transport: vocab.Perf, Attach: "hook"},
		"short":     {Transport: vocab.Perf, Attach: vocab.AttachTracepoint, EventBytes: 63},
		"auto":      {Transport: vocab.Perf, Attach: vocab.AttachAuto},
	} {
		if _, err := Load(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestResolveAttachGivesEveryReason(t *testing.T) {
	testutils.Root(t)
	_, err := ResolveAttach("hook")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "hook") {
		t.Errorf("got %v", err)
	}
}

// TestCounters attaches natively and counts this process's own execve as foreign.
func TestCounters(t *testing.T) {
	testutils.Root(t)
	attach, err := ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := Load(Options{Transport: vocab.Ringbuf, Attach: attach})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	if err := twin.Attach(); err != nil {
		t.Fatal(err)
	}
	// The test binary itself: a throwaway machine may have no other program.
	if err := exec.Command(os.Args[0], "-test.run=^$").Run(); err != nil {
		t.Fatal(err)
	}
	if err := twin.Detach(); err != nil {
		t.Fatal(err)
	}
	perCPU, err := twin.Counters()
	if err != nil {
		t.Fatal(err)
	}
	var sum Counters
	for _, c := range perCPU {
		sum.Triggers += c.Triggers
		sum.Foreign += c.Foreign
		sum.Attempts += c.Attempts
	}
	if sum.Triggers == 0 || sum.Foreign != sum.Triggers || sum.Attempts != 0 {
		t.Errorf("counted %d triggers, %d foreign, %d attempts", sum.Triggers, sum.Foreign, sum.Attempts)
	}
	if err := twin.Detach(); err != nil {
		t.Errorf("second detach: %v", err)
	}
}
