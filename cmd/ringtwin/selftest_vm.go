// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/selftest"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// selftestMemoryMiB is that of vmtest's machines, so that the same saved one serves.
const selftestMemoryMiB = 512

// inMachine injects faults into measurements in virtual time: each in a fresh
// machine, and the transports side by side.
func (s *selftestCmd) inMachine(e *env, show *progress.Table, report func(string, selftest.Result)) (err error) {
	job, refs, err := newMachines(e, show, &vmtestCmd{
		Kernels: []string{s.Kernel}, kernelChoice: s.kernelChoice, VM: "qemu", Clock: record.Virtual, Accel: string(machine.TCG),
		CPUs: virtualCPUs, Memory: selftestMemoryMiB, QEMU: s.QEMU,
	})
	if err != nil {
		return err
	}
	defer job.close()
	if len(refs) != 1 {
		return usageError{fmt.Errorf("--kernel %s: that is %d kernels, want one", s.Kernel, len(refs))}
	}
	k := &kernelJob{vmtestJob: job.vmtestJob, ref: refs[0]}
	if err := k.fetch(e.ctx); err != nil {
		return err
	}
	if err := k.configure(); err != nil {
		return err
	}
	if err := k.prepare(e.ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.snapshot.Close()) }()

	transports := vocab.Transports()
	found := make([][]selftest.Result, len(transports))
	var tasks []fleet.Task
	for i, kind := range transports {
		tasks = append(tasks, fleet.Task{
			Run: func(ctx context.Context, _ error) error {
				return k.inject(ctx, kind, func(r selftest.Result) { found[i] = append(found[i], r) })
			},
			Threads: 1, MemoryBytes: int64(job.Memory)<<20 + overheadBytes,
		})
	}
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return err
	}
	errs := fleet.Run(e.ctx, fleet.Limits{MemoryBytes: memory / 10 * 8}, tasks)
	show.Done(k.ref.Name, "faults injected")
	for i := range found {
		for _, r := range found[i] {
			report(fmt.Sprintf("Linux %s, in virtual time", k.bundle.Release), r)
		}
	}
	return errors.Join(errs...)
}

// inject injects all faults into one transport, whose machines have a log of their own.
func (k *kernelJob) inject(ctx context.Context, kind vocab.Transport, report func(selftest.Result)) error {
	own := *k
	own.cfg.Console = filepath.Join(filepath.Dir(k.cfg.Console), string(kind)+".log")
	conn, err := own.freshVirtual(ctx)
	if err != nil {
		return err
	}
	attach, err := resolveThere(ctx, conn, k.cfg.Limits.Request)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	measure := func(ctx context.Context, cells []record.Cell) ([]*record.Trial, error) {
		return measureCells(ctx, conn, cells, 1, k.cfg.Limits.Request, func(text string) { k.show.Phase(string(kind), text) })
	}
	err = selftest.Run(ctx, selftest.Options{
		Measure: measure, Attach: attach, Transports: []vocab.Transport{kind}, Virtual: true,
	}, report)
	k.show.Forget(string(kind))
	return errors.Join(err, conn.Close())
}

// resolveThere asks a kernel how programs are attached to it.
func resolveThere(ctx context.Context, conn session.Conn, timeout time.Duration) (vocab.Attach, error) {
	attach := vocab.AttachAuto
	var facts session.Facts
	err := conn.Do(ctx, session.Request{Probe: &attach}, timeout, func(body json.RawMessage) error {
		return json.Unmarshal(body, &facts)
	})
	if err == nil && facts.Status != record.OK {
		err = fmt.Errorf("%s: %s", facts.Status, facts.Reason)
	}
	return facts.Attach, err
}

// measureCells measures a trial of each cell. The first is measured as many times more
// before, which is forgotten. The time-out is that of each.
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
			return fmt.Errorf("%s: %s", got.Status, got.Reason)
		}
		trials = append(trials, got.Trial)
		next()
		return nil
	})
	return trials, err
}
