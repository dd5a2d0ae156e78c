package bpf

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/need"
)

// TestLoad has this kernel's verifier look at both twins with every kind of tail.
func TestLoad(t *testing.T) {
	need.Root(t)
	attach, err := ResolveAttach(AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range Transports() {
		for _, payload := range []int{0, 1, 7, 8, 100, 32 << 10} {
			twin, err := Load(Options{Transport: transport, Attach: attach, PayloadBytes: payload})
			if err != nil {
				t.Errorf("%s with %d bytes: %v", transport, payload, err)
				continue
			}
			if err := twin.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLoadRefusesNonsense(t *testing.T) {
	for name, opts := range map[string]Options{
		"transport": {Transport: "pigeon", Attach: AttachTracepoint},
		"attach":    {Transport: Perf, Attach: "hook"},
		"auto":      {Transport: Perf, Attach: AttachAuto},
	} {
		if _, err := Load(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestResolveAttachGivesEveryReason(t *testing.T) {
	need.Root(t)
	_, err := ResolveAttach("hook")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "hook") {
		t.Errorf("got %v", err)
	}
}

// TestCounters attaches natively and counts this process's own execve as foreign.
func TestCounters(t *testing.T) {
	need.Root(t)
	attach, err := ResolveAttach(AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := Load(Options{Transport: Ringbuf, Attach: attach})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	if err := twin.Attach(); err != nil {
		t.Fatal(err)
	}
	// This very program: there may be no other, in a throwaway machine.
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
