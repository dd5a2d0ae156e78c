// Package session is the talk between who wants measurements and the kernel
// under test: requests and answers as plain values, the handler that serves
// them, and the run that asks for a whole plan.
//
// It does not know what carries them: a guest's serial port or a function call.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"golang.org/x/sys/unix"
)

// Request is one thing to do; exactly one field is set.
type Request struct {
	// Probe asks what this kernel can do with this attach point.
	Probe *bpf.Attach `json:"probe,omitempty"`
	// Decide asks for experiments.
	Decide *Decide `json:"decide,omitempty"`
	// Compare attaches both twins at once to the same programs.
	Compare *record.Cell `json:"compare,omitempty"`
	// Trial measures a cell once.
	Trial *record.Cell `json:"trial,omitempty"`
	// Trials measures these, one after the other, once each.
	Trials []record.Cell `json:"trials,omitempty"`
	// WarmUps is how often the trial, or the first of them, runs before, and is forgotten.
	WarmUps int `json:"warm_ups,omitempty"`
	// PhaseNS is how long to wait before the trial: where time is virtual, two
	// trials differ in nothing else.
	PhaseNS int64 `json:"phase_ns,omitempty"`
}

// Decide names statements of package facts. The answers are their results, in
// the order of the statements, each as soon as it is there.
type Decide struct {
	IDs  []string   `json:"ids"`
	Boot facts.Boot `json:"boot,omitempty"`
}

// Facts answer a probe.
type Facts struct {
	Release string     `json:"release"` // of uname(2)
	Attach  bpf.Attach `json:"attach"`  // resolved
	CPUs    int        `json:"cpus"`
	BTF     bool       `json:"btf"`
	// Status is ok, or why nothing can be measured here, with the reason.
	Status record.Status `json:"status"`
	Reason string        `json:"reason,omitempty"`
}

// Measured answers a trial: what was measured, or why nothing was.
type Measured struct {
	Status record.Status `json:"status"`
	Reason string        `json:"reason,omitempty"`
	Trial  *record.Trial `json:"trial,omitempty"`
}

// Handle serves one request on the running kernel. It is a guest.Handler.
func Handle(ctx context.Context, request json.RawMessage, send func(any) error) error {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if r.Probe != nil {
		return send(probe(*r.Probe))
	}
	if r.Decide != nil {
		return facts.Run(ctx, r.Decide.IDs, r.Decide.Boot, func(result facts.Result) error { return send(result) })
	}
	runner, err := trial.NewRunner()
	if err != nil {
		return err
	}
	defer runner.Close()
	switch {
	case r.Compare != nil:
		comparison, err := runner.Compare(ctx, *r.Compare)
		if err != nil {
			return err
		}
		return send(comparison)
	case r.Trial != nil:
		return send(measured(ctx, runner, *r.Trial, r.WarmUps, r.PhaseNS))
	case len(r.Trials) > 0:
		for i, cell := range r.Trials {
			if i > 0 {
				r.WarmUps, r.PhaseNS = 0, 0
			}
			if err := send(measured(ctx, runner, cell, r.WarmUps, r.PhaseNS)); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("request asks for nothing")
}

func measured(ctx context.Context, runner *trial.Runner, cell record.Cell, warmUps int, phaseNS int64) Measured {
	t, err := measureOnce(ctx, runner, cell, warmUps, phaseNS)
	if err != nil {
		status, reason := classify(err)
		return Measured{Status: status, Reason: reason}
	}
	return Measured{Status: record.OK, Trial: t}
}

func measureOnce(ctx context.Context, runner *trial.Runner, cell record.Cell, warmUps int, phaseNS int64) (*record.Trial, error) {
	for range warmUps {
		cell := cell
		cell.ReaderStallMS = 0
		if _, err := runner.Run(ctx, cell); err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Duration(phaseNS))
	return runner.Run(ctx, cell)
}

func probe(want bpf.Attach) Facts {
	facts := Facts{Status: record.OK, Release: release()}
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	facts.BTF = err == nil
	cpus, err := trial.CPUs()
	if err == nil {
		facts.CPUs = len(cpus)
		facts.Attach, err = bpf.ResolveAttach(want)
	}
	if err == nil {
		err = bpf.ProbeTransports(facts.Attach)
	}
	if err != nil {
		facts.Status, facts.Reason = classify(err)
	}
	return facts
}

// release is empty where uname(2) fails, which it does not.
func release() string {
	var uts unix.Utsname
	_ = unix.Uname(&uts)
	return unix.ByteSliceToString(uts.Release[:])
}

// classify turns an error into a status and a line.
func classify(err error) (record.Status, string) {
	var refused *ebpf.VerifierError
	switch {
	// First: a refusal at one attach point is among the reasons of ErrUnsupported.
	case errors.As(err, &refused):
		return record.Refused, fmt.Sprintf("%-12v", refused)
	case errors.Is(err, bpf.ErrUnsupported):
		return record.Unsupported, err.Error()
	}
	return record.Failed, err.Error()
}
