// SPDX-License-Identifier: MIT

package ringtwin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/selftest"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// SelftestIn injects faults into measurements in virtual time on a kernel, each in a
// fresh machine, and the transports side by side. It returns the kernel's release with
// the results.
func SelftestIn(ctx context.Context, host *vmtest.Host, ref kernel.Ref) (release string, found []selftest.Result, err error) {
	bundle, err := host.Fetch(ctx, ref, false)
	if err != nil {
		return "", nil, err
	}
	machines, err := host.Machines(ctx, bundle, vmtest.Spec{Virtual: true, Name: ref.Name})
	if err != nil {
		return bundle.Release, nil, err
	}
	defer func() { err = errors.Join(err, machines.Close()) }()
	if err := machines.Prepare(ctx); err != nil {
		return bundle.Release, nil, err
	}
	results := make([][]selftest.Result, len(vocab.Transports()))
	var tasks []vmtest.Task
	for i, kind := range vocab.Transports() {
		tasks = append(tasks, vmtest.Task{
			Run: func(ctx context.Context, _ error) error {
				return inject(ctx, host, machines, kind, func(r selftest.Result) { results[i] = append(results[i], r) })
			},
			Spec: machines.Spec(),
		})
	}
	errs, err := host.Run(ctx, tasks)
	host.Progress.Done(ref.Name, "faults injected")
	for _, some := range results {
		found = append(found, some...)
	}
	return bundle.Release, found, errors.Join(append(errs, err)...)
}

// inject injects all faults into one transport, whose machines have a log of their own.
func inject(ctx context.Context, host *vmtest.Host, all *vmtest.Machines, kind vocab.Transport, report func(selftest.Result)) (err error) {
	machines, err := all.WithConsole(ctx, filepath.Join(filepath.Dir(all.Config().Console), string(kind)+".log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, machines.Close()) }()
	guest, err := machines.Fresh(ctx)
	if err != nil {
		return err
	}
	limit := machines.Config().Limits.Request
	kernel, err := probeIn(ctx, guest, kind, limit)
	if err != nil {
		return err
	}
	measure := func(ctx context.Context, cells []record.Cell) ([]*record.Trial, error) {
		return measureCells(ctx, guest, cells, 1, limit, func(text string) { host.Progress.Phase(string(kind), text) })
	}
	err = selftest.Run(ctx, selftest.Options{
		Measure: measure, Attach: kernel.Attach, Transports: []vocab.Transport{kind}, Virtual: true,
		Has: func(kind vocab.Transport) (bool, error) { return slices.Contains(kernel.Transports, kind), nil },
	}, report)
	host.Progress.Done(string(kind), "")
	if complaint, lookErr := guest.Complaint(); err == nil && complaint != "" {
		err = errors.Join(lookErr, &session.ComplaintError{Text: complaint})
	}
	return err
}

// probeIn asks a kernel how programs are attached to it, and whether it has a transport.
func probeIn(ctx context.Context, conn session.Conn, kind vocab.Transport, timeout time.Duration) (facts session.Facts, err error) {
	attach := vocab.AttachAuto
	err = conn.Do(ctx, session.Request{Probe: &attach, Transports: []vocab.Transport{kind}}, timeout, func(body json.RawMessage) error {
		return json.Unmarshal(body, &facts)
	})
	if err == nil && facts.Status != record.OK && facts.Status != record.Unsupported {
		err = fmt.Errorf("%s: %s", facts.Status, facts.Reason)
	}
	return facts, err
}

// SelftestHere injects faults into measurements on the running kernel. It needs root.
func SelftestHere(ctx context.Context, progress vmtest.Progress, report func(selftest.Result)) error {
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		return err
	}
	measure := func(ctx context.Context, cells []record.Cell) ([]*record.Trial, error) {
		return measureCells(ctx, session.Here{}, cells, 0, RequestTimeout(), func(text string) {
			progress.Phase(HostKernel, string(cells[0].Transport)+", "+text)
		})
	}
	return selftest.Run(ctx, selftest.Options{Measure: measure, Attach: attach, Has: func(kind vocab.Transport) (bool, error) {
		err := bpf.ProbeTransport(kind, attach)
		if errors.Is(err, bpf.ErrUnsupported) {
			return false, nil
		}
		return err == nil, err
	}}, report)
}

// CountAlarms compares a transport n times with itself on the running kernel. None of the
// comparisons should find a difference. It needs root.
func CountAlarms(ctx context.Context, n int, progress vmtest.Progress) (selftest.Alarms, error) {
	return selftest.CountAlarms(n, func(i int, p *plan.Plan) (trials []record.Trial, err error) {
		progress.Phase(HostKernel, fmt.Sprintf("%d of %d comparisons of a transport with itself", i+1, n))
		run, err := Native(ctx)
		if err != nil {
			return nil, err
		}
		run.Machine.CPUs, run.Plan = 1, p
		run.Record = func(t *record.Trial) error { trials = append(trials, *t); return nil }
		return trials, run.Do(ctx)
	})
}

// measureCells measures a trial of each cell, after warmUps trials of the first that are
// discarded. The time-out applies to each trial.
func measureCells(
	ctx context.Context, conn session.Conn, cells []record.Cell, warmUps int, timeout time.Duration, phase func(string),
) (trials []*record.Trial, err error) {
	next := func() {
		if n := len(trials); n < len(cells) {
			phase(fmt.Sprintf("trial %d of %d, %s", n+1, len(cells), cmp.Or(cells[n].Fault, vocab.Fault(selftest.None))))
		}
	}
	next()
	var request session.Request
	for range warmUps {
		request.Trials = append(request.Trials, session.Timed{Cell: cells[0]})
	}
	for _, cell := range cells {
		request.Trials = append(request.Trials, session.Timed{Cell: cell})
	}
	var refused error // the answers that follow are taken all the same, or the next request would get them
	err = conn.Do(ctx, request, time.Duration(len(request.Trials))*timeout, func(body json.RawMessage) error {
		if warmUps > 0 {
			warmUps--
			return nil
		}
		var got session.Measured
		if err := json.Unmarshal(body, &got); err != nil {
			return err
		}
		if got.Trial == nil {
			if refused == nil {
				refused = fmt.Errorf("%s: %s", got.Status, got.Reason)
			}
			return nil
		}
		trials = append(trials, got.Trial)
		next()
		return nil
	})
	return trials, cmp.Or(err, refused)
}
