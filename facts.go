// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// Decider runs the experiments behind statements in machines.
type Decider struct {
	Host *vmtest.Host
	Spec vmtest.Spec
	// Explain receives the errors of a kernel. It may be nil.
	Explain func(error)
}

// Decide runs the experiments on kernels, as many at once as the host can handle. The
// errors of a kernel are in its column.
func (d *Decider) Decide(ctx context.Context, refs []kernel.Ref, statements []facts.Statement) (*facts.Grid, error) {
	host, spec := d.Host, d.Spec
	if _, err := host.Initramfs(); err != nil {
		return nil, err
	}
	grid := &facts.Grid{Statements: statements, Columns: make([]facts.Column, len(refs))}
	var tasks []vmtest.Task
	for i, ref := range refs {
		k := &deciding{host: host, spec: spec, ref: ref, column: &grid.Columns[i]}
		k.spec.Name = ref.Name
		*k.column = facts.Column{Kernel: ref.Name, Results: map[string]facts.Result{}}
		tasks = append(tasks, vmtest.Task{
			Fetch: func(ctx context.Context) (err error) { k.bundle, err = host.Fetch(ctx, ref, false); return err },
			Run:   func(ctx context.Context, fetched error) error { return k.run(ctx, fetched, statements) },
			Spec:  spec,
		})
		host.Progress.Phase(ref.Name, "wait")
	}
	errs, err := host.Run(ctx, tasks)
	for i, err := range errs {
		if err != nil {
			grid.Columns[i].Error = err.Error()
			if d.Explain != nil && ctx.Err() == nil {
				d.Explain(err)
			}
		}
	}
	return grid, err
}

// Bisect prints the search for the first kernel on which the statement's experiment has
// another result: see [facts.BisectTo].
func (d *Decider) Bisect(ctx context.Context, w io.Writer, refs []kernel.Ref, s facts.Statement) error {
	name := func(i int) string { return refs[i].Name }
	return facts.BisectTo(w, s, len(refs), name, func(i int) (facts.Column, error) {
		grid, err := d.Decide(ctx, refs[i:i+1], []facts.Statement{s})
		if err != nil {
			return facts.Column{}, err
		}
		return grid.Columns[0], nil
	})
}

// DecideHere runs the experiments on the running kernel. It needs root.
func DecideHere(ctx context.Context, statements []facts.Statement) (*facts.Grid, error) {
	if os.Geteuid() != 0 {
		return nil, ErrRoot
	}
	release, err := Release()
	if err != nil {
		return nil, err
	}
	column := facts.Column{Kernel: HostKernel, Release: release, Results: map[string]facts.Result{}}
	request := session.Request{Decide: &session.Decide{IDs: facts.IDs(statements)}}
	err = session.Here{}.Do(ctx, request, RequestTimeout(), func(body json.RawMessage) error {
		var result facts.Result
		if err := json.Unmarshal(body, &result); err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		column.Results[result.ID] = result
		return nil
	})
	return &facts.Grid{Statements: statements, Columns: []facts.Column{column}}, err
}

// perStatement is the limit of an experiment in a machine on a busy host, in addition to
// the limit of a request.
const perStatement = 2 * time.Second

// deciding is the work on one kernel.
type deciding struct {
	host     *vmtest.Host
	spec     vmtest.Spec
	ref      kernel.Ref
	bundle   *kernel.Bundle
	machines *vmtest.Machines
	column   *facts.Column
}

func (d *deciding) phase(text string) { d.host.Progress.Phase(d.ref.Name, text) }

// run runs the experiments. If one ends its machine, the others continue in another:
// their results are not affected.
func (d *deciding) run(ctx context.Context, fetched error, statements []facts.Statement) (err error) {
	if fetched != nil {
		return fmt.Errorf("%s: %w", d.ref.Name, fetched)
	}
	defer func() {
		if d.machines != nil {
			err = errors.Join(err, d.machines.Close())
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", d.ref.Name, err)
		}
		d.host.Progress.Done(d.ref.Name, d.column.Summary())
	}()
	if d.machines, err = d.host.Machines(ctx, d.bundle, d.spec); err != nil {
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
		if once, err = d.decideInOne(ctx, once); err != nil {
			return err
		}
	}
	for _, id := range twice {
		if err := d.decideTwice(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// decideInOne runs experiments in one fresh machine. If one of them breaks it, that one
// does not hold, and the remaining ones are returned. Each is requested separately, after
// the console of the previous one was read: otherwise the wrong one could be blamed.
func (d *deciding) decideInOne(ctx context.Context, ids []string) (rest []string, err error) {
	guest, err := d.machines.Fresh(ctx)
	if err != nil {
		return nil, err
	}
	d.column.Release = d.bundle.Release
	d.phase(fmt.Sprintf("%d experiments", len(ids)))
	for i, id := range ids {
		result, err := d.half(ctx, guest, id, facts.FirstBoot)
		if err == nil {
			d.column.Results[id] = result
			continue
		}
		guest.Kill()
		if err := d.blame(ctx, id, result, err); err != nil {
			return nil, err
		}
		return ids[i+1:], nil
	}
	return nil, guest.Close()
}

// decideTwice runs an experiment that continues after a reboot of its machine. One half
// has no result, unless it decides.
func (d *deciding) decideTwice(ctx context.Context, id string) error {
	guest, err := d.machines.Fresh(ctx)
	if err != nil {
		return err
	}
	defer guest.Kill()
	d.column.Release = d.bundle.Release
	d.phase(id + ", before a reboot")
	result, err := d.half(ctx, guest, id, facts.FirstBoot)
	if err == nil && result.Verdict == facts.Holds {
		d.phase("reboot")
		if err = guest.Reboot(ctx); err == nil {
			var second facts.Result
			second, err = d.half(ctx, guest, id, facts.NextBoot)
			result = result.Then(second)
		}
	}
	if err != nil {
		return d.blame(ctx, id, facts.Result{}, err)
	}
	d.column.Results[id] = result
	return nil
}

// half runs an experiment, or one half of one that takes two boots. A splat is a
// [*session.ComplaintError].
func (d *deciding) half(ctx context.Context, guest *vmtest.Guest, id string, boot facts.Boot) (r facts.Result, err error) {
	request := session.Request{Decide: &session.Decide{IDs: []string{id}, Boot: boot}}
	err = guest.Do(ctx, request, d.machines.Config().Limits.Request+perStatement, func(body json.RawMessage) error {
		return json.Unmarshal(body, &r)
	})
	if err == nil && r.ID != id {
		err = fmt.Errorf("the guest answered with a result of %q, not of %q", r.ID, id)
	}
	if err != nil {
		return r, err
	}
	complaint, err := guest.Complaint()
	if err == nil && complaint != "" {
		err = &session.ComplaintError{Text: complaint}
	}
	return r, err
}

// blame makes an experiment fail for what it did to its machine. It returns other errors.
func (d *deciding) blame(ctx context.Context, id string, r facts.Result, err error) error {
	var failure *machine.Failure
	switch {
	case ctx.Err() != nil:
		return err
	case errors.As(err, &failure):
		err = fmt.Errorf("%s: %w", failure.Outcome, failure)
	case !errors.As(err, new(*session.ComplaintError)):
		return err
	}
	r.ID, r.Verdict, r.Seen = id, facts.Fails, firstLine(err)
	d.column.Results[id] = r
	return nil
}
