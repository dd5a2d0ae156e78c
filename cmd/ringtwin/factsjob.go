// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// factsJob makes experiments in machines.
type factsJob struct {
	*vmtestJob
	temp string // directory of the kernels' logs
}

func (j *factsJob) close() {
	j.show.End()
	_ = os.RemoveAll(j.temp)
}

// newMachines prepares machines as v says, for what has no results of trials to keep,
// and resolves the kernels.
func newMachines(e *env, show *progress.Table, v *vmtestCmd) (*factsJob, []kernel.Ref, error) {
	if err := fits(v.Memory); err != nil {
		return nil, nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, nil, err
	}
	version, err := machine.Version(e.ctx, v.QEMU)
	if err != nil {
		return nil, nil, err
	}
	archive, err := initramfs.Self(filepath.Join(cache, "initramfs"))
	if err != nil {
		return nil, nil, err
	}
	refs, err := v.resolve(e.ctx, cache, show)
	show.End()
	if err != nil {
		return nil, nil, err
	}
	temp, err := os.MkdirTemp("", "ringtwin-")
	if err != nil {
		return nil, nil, err
	}
	return &factsJob{temp: temp, vmtestJob: &vmtestJob{
		vmtestCmd: v, env: e, plan: &plan.Plan{}, cache: cache, qemuVersion: version, by: backend{name: vmQEMU, version: version},
		initramfs: archive, show: show,
		console: func(kernel string) (string, error) {
			return filepath.Join(temp, fileName(kernel)+".log"), nil
		},
	}}, refs, nil
}

// perStatement is what an experiment may take in a machine on a busy host, beside
// the limit of a request.
const perStatement = 2 * time.Second

// grid makes the experiments on all kernels, as many at once as the host can bear.
// What went wrong with a kernel is in its column, and explained.
func (j *factsJob) grid(refs []kernel.Ref, statements []facts.Statement) (*facts.Grid, error) {
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return nil, err
	}
	grid := &facts.Grid{Statements: statements, Columns: make([]facts.Column, len(refs))}
	var tasks []fleet.Task
	for i, ref := range refs {
		k := &factsKernel{kernelJob: &kernelJob{vmtestJob: j.vmtestJob, ref: ref}, column: &grid.Columns[i]}
		*k.column = facts.Column{Kernel: ref.Name, Results: map[string]facts.Result{}}
		tasks = append(tasks, fleet.Task{
			Fetch:       k.fetch,
			Run:         func(ctx context.Context, fetched error) error { return k.run(ctx, fetched, statements) },
			Threads:     j.threads(),
			MemoryBytes: int64(j.Memory)<<20 + overheadBytes,
		})
		j.show.Phase(ref.Name, "wait")
	}
	errs := fleet.Run(j.ctx, fleet.Limits{Jobs: j.Jobs, MemoryBytes: memory / 10 * 8}, tasks)
	j.show.End()
	for i, err := range errs {
		if err != nil {
			grid.Columns[i].Error = err.Error()
			j.explain(err)
		}
	}
	return grid, nil
}

// factsKernel is the work on one kernel.
type factsKernel struct {
	*kernelJob
	column *facts.Column
}

// run makes the experiments. Those of which one ended its machine go on in
// another: it costs no other's result.
func (k *factsKernel) run(ctx context.Context, fetched error, statements []facts.Statement) (err error) {
	if fetched != nil {
		return fmt.Errorf("%s: %w", k.ref.Name, fetched)
	}
	defer func() {
		if k.snapshot != nil {
			err = errors.Join(err, k.snapshot.Close())
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", k.ref.Name, err)
		}
		k.show.Done(k.ref.Name, k.column.Summary())
	}()
	if err := k.configure(); err != nil {
		return err
	}
	var once, twice []string
	for _, s := range statements {
		if s.TakesTwoBoots() {
			twice = append(twice, s.ID)
		} else {
			once = append(once, s.ID)
		}
	}
	for len(once) > 0 {
		if once, err = k.decideInOne(ctx, once); err != nil {
			return err
		}
	}
	for _, id := range twice {
		if err := k.decideTwice(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// decideTwice makes an experiment that goes on after its machine has been rebooted.
// There is no result of half of it, unless that decides.
func (k *factsKernel) decideTwice(ctx context.Context, id string) error {
	conn, err := k.fresh(ctx)
	if err != nil {
		return err
	}
	c := conn.(*connection)
	defer c.Kill()
	k.column.Release = k.bundle.Release
	k.phase(id + ", before a reboot")
	first, err := k.half(ctx, c, id, facts.FirstBoot)
	if err == nil && first.Verdict == facts.Holds {
		k.phase("reboot")
		if _, err = c.Reboot(ctx); err == nil {
			var second facts.Result
			second, err = k.half(ctx, c, id, facts.NextBoot)
			first = first.Then(second)
		}
	}
	var failure *machine.Failure
	switch {
	case err == nil:
		k.column.Results[id] = first
	case ctx.Err() != nil:
		return err
	case errors.As(err, &failure):
		k.blame(id, fmt.Errorf("%s: %w", failure.Outcome, failure))
	case errors.Is(err, errComplaint):
		k.blame(id, c.worst)
	default:
		return err
	}
	return nil
}

// half makes an experiment, or one half of one that takes two boots.
func (k *factsKernel) half(ctx context.Context, c *connection, id string, boot facts.Boot) (r facts.Result, err error) {
	request := session.Request{Decide: &session.Decide{IDs: []string{id}, Boot: boot}}
	err = c.Do(ctx, request, k.cfg.Limits.Request+perStatement, func(body json.RawMessage) error {
		return json.Unmarshal(body, &r)
	})
	if err == nil && r.ID != id {
		err = fmt.Errorf("the guest answered with a result of %q, not of %q", r.ID, id)
	}
	if err == nil {
		err = c.look()
	}
	if err == nil && c.worst != nil {
		err = errComplaint
	}
	return r, err
}

// errComplaint ends a machine whose kernel has complained.
var errComplaint = errors.New("the kernel complained")

// decideInOne makes experiments in one fresh machine, and returns those that are
// left if one of them broke it. That one does not hold. Each is asked for by itself, once
// the console of the one before has been read: a guest that went ahead would have the
// wrong one blamed.
func (k *factsKernel) decideInOne(ctx context.Context, ids []string) (rest []string, err error) {
	conn, err := k.fresh(ctx)
	if err != nil {
		return nil, err
	}
	c := conn.(*connection)
	k.column.Release = k.bundle.Release
	k.phase(fmt.Sprintf("%d experiments", len(ids)))
	for i, id := range ids {
		result, err := k.half(ctx, c, id, facts.FirstBoot)
		var failure *machine.Failure
		switch {
		case err == nil:
			k.column.Results[id] = result
			continue
		case ctx.Err() == nil && errors.Is(err, errComplaint):
			k.column.Results[id] = result
			k.blame(id, c.worst)
		case ctx.Err() == nil && errors.As(err, &failure):
			k.blame(id, fmt.Errorf("%s: %w", failure.Outcome, failure))
		default:
			c.Kill()
			return nil, err
		}
		c.Kill()
		return ids[i+1:], nil
	}
	return nil, c.Stop()
}

// blame makes an experiment fail for what it did to its machine.
func (k *factsKernel) blame(id string, err error) {
	r := k.column.Results[id]
	r.ID, r.Verdict, r.Seen = id, facts.Fails, firstLine(err)
	k.column.Results[id] = r
}
