// SPDX-License-Identifier: MIT

// Package session implements the request and response protocol between host and guest:
// requests and answers as plain values, the handler that serves them, and the run of a
// whole plan over it.
//
// It is independent of the channel: a guest's serial port or a function call.
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
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Request is one thing to do; exactly one field is set, but for Probe and CheckTwins,
// which may be asked together.
type Request struct {
	// Probe asks what this kernel supports with this attach point.
	Probe *vocab.Attach `json:"probe,omitempty"`
	// Decide asks for experiments.
	Decide *Decide `json:"decide,omitempty"`
	// CheckTwins attaches the twins of Transports at once to the same programs. After a
	// probe it is answered if the status is ok, and uses the resolved attach point, and
	// those transports that the kernel has.
	CheckTwins *record.Cell `json:"check_twins,omitempty"`
	// Transports are those to probe and to check.
	Transports []vocab.Transport `json:"transports,omitempty"`
	// Trials measures these, one after the other. Each is answered as soon as it is
	// measured.
	Trials []Timed `json:"trials,omitempty"`
}

// Timed is a cell to measure once.
type Timed struct {
	Cell record.Cell `json:"cell"`
	// PhaseNS is how long to wait before the trial. In virtual time, two trials of a cell
	// differ only in it.
	PhaseNS int64 `json:"phase_ns,omitempty"`
	// Turns is [trial.Runner]'s.
	Turns bool `json:"turns,omitempty"`
}

// Decide names statements of package facts. The answers are their results, in the order
// of the statements, each as soon as it is known.
type Decide struct {
	IDs  []string   `json:"ids"`
	Boot facts.Boot `json:"boot,omitempty"`
}

// Facts answer a probe.
type Facts struct {
	Release string       `json:"release"` // of uname(2)
	Attach  vocab.Attach `json:"attach"`  // resolved
	CPUs    int          `json:"cpus"`
	BTF     bool         `json:"btf"`
	// Preempt is the preemption that the kernel runs with, if it says so: its configuration
	// has what it was built with.
	Preempt string `json:"preempt,omitempty"`
	// Transports are those of the request that the kernel has.
	Transports []vocab.Transport `json:"transports,omitempty"`
	// Status is ok, or why nothing can be measured here; Reason explains it.
	Status record.Status `json:"status"`
	Reason string        `json:"reason,omitempty"`
}

// Measured answers a trial: the measurement, or why there is none.
type Measured struct {
	Status record.Status `json:"status"`
	Reason string        `json:"reason,omitempty"`
	Trial  *record.Trial `json:"trial,omitempty"`
	// Spent is what a profile must account for. It is answered whether or not there is one,
	// so that the guest cannot tell.
	Spent *profile.Spent `json:"spent,omitempty"`
}

// Handle serves one request on the running kernel. It is a guest.Handler.
func Handle(ctx context.Context, request json.RawMessage, send func(any) error) error {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if r.Probe != nil {
		facts := probe(*r.Probe, r.Transports)
		if err := send(facts); err != nil || r.CheckTwins == nil || facts.Status != record.OK {
			return err
		}
		r.CheckTwins.Attach, r.Transports = facts.Attach, facts.Transports
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
	case r.CheckTwins != nil:
		comparison, err := runner.CheckTwins(ctx, *r.CheckTwins, r.Transports)
		if err != nil {
			return err
		}
		return send(comparison)
	case len(r.Trials) > 0:
		for _, t := range r.Trials {
			if err := send(measured(ctx, runner, t)); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("request asks for nothing")
}

func measured(ctx context.Context, runner *trial.Runner, t Timed) Measured {
	time.Sleep(time.Duration(t.PhaseNS))
	runner.Turns = t.Turns
	got, err := runner.Run(ctx, t.Cell)
	if err != nil {
		status, reason := classify(err)
		return Measured{Status: status, Reason: reason}
	}
	return Measured{Status: record.OK, Trial: got, Spent: runner.Spent()}
}

// probe finds out what can be measured here: nothing, where the kernel has none of the
// transports, or refuses one of them.
func probe(want vocab.Attach, transports []vocab.Transport) Facts {
	facts := Facts{Status: record.OK, Release: release(), Preempt: preemption()}
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	facts.BTF = err == nil
	cpus, err := trial.CPUs()
	if err == nil {
		facts.CPUs = len(cpus)
		facts.Attach, err = bpf.ResolveAttach(want)
	}
	var lacking []error
	for _, kind := range transports {
		if err != nil {
			break
		}
		switch probeErr := bpf.ProbeTransport(kind, facts.Attach); {
		case probeErr == nil:
			facts.Transports = append(facts.Transports, kind)
		case errors.Is(probeErr, bpf.ErrUnsupported):
			lacking = append(lacking, probeErr)
		default:
			err = probeErr
		}
	}
	if err == nil && len(lacking) > 0 && len(facts.Transports) == 0 {
		err = errors.Join(lacking...)
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
	var locked *bpf.LockdownError
	switch {
	case errors.As(err, &locked) && errors.As(err, &refused):
		return record.Refused, fmt.Sprintf("%s: %-12v", locked.Reason(), refused)
	case errors.As(err, &locked):
		return record.Refused, err.Error()
	// First, since the reasons of ErrUnsupported include refusals at single attach
	// points.
	case errors.As(err, &refused):
		return record.Refused, fmt.Sprintf("%-12v", refused)
	case errors.Is(err, bpf.ErrUnsupported):
		return record.Unsupported, err.Error()
	}
	return record.Failed, err.Error()
}
