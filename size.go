// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/size"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// ProveHere measures on the running kernel the trials that prove sizes, and sets the
// proof of each. A size whose trials failed has the reason. It needs root.
func ProveHere(ctx context.Context, progress vmtest.Progress, sizes []size.Size) error {
	if os.Geteuid() != 0 {
		return ErrRoot
	}
	cpus, err := trial.CPUs()
	if err != nil {
		return err
	}
	p := prover{session.Here{}, RequestTimeout(), len(cpus), func(text string) { progress.Phase(HostKernel, text) }}
	return p.prove(ctx, sizes)
}

// ProveIn does the same in a throwaway machine with a kernel.
func ProveIn(ctx context.Context, host *vmtest.Host, ref kernel.Ref, sizes []size.Size) error {
	spec := vmtest.Spec{Name: ref.Name}.Defaults()
	for i := range sizes {
		spec.MemoryMiB = max(spec.MemoryMiB, proofMiB(&sizes[i], spec.CPUs))
	}
	errs, err := host.Run(ctx, []vmtest.Task{{
		Run:  func(ctx context.Context, _ error) error { return proveIn(ctx, host, ref, spec, sizes) },
		Spec: spec,
	}})
	return errors.Join(append(errs, err)...)
}

func proveIn(ctx context.Context, host *vmtest.Host, ref kernel.Ref, spec vmtest.Spec, sizes []size.Size) (err error) {
	bundle, err := host.Fetch(ctx, ref, false)
	if err != nil {
		return err
	}
	machines, err := host.Machines(ctx, bundle, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, machines.Close()) }()
	guest, err := machines.Fresh(ctx)
	if err != nil {
		return err
	}
	p := prover{guest, machines.Config().Limits.Request, spec.CPUs, func(text string) { host.Progress.Phase(ref.Name, text) }}
	err = p.prove(ctx, sizes)
	if complaint, lookErr := guest.Complaint(); err == nil && complaint != "" {
		err = errors.Join(lookErr, &session.ComplaintError{Text: complaint})
	}
	host.Progress.Done(ref.Name, "")
	return err
}

// proofMiB is the memory of a machine for the trials of a size: beside what it takes
// itself the rings twice, for their mappings, and what the reader keeps of each event.
func proofMiB(s *size.Size, cpus int) int {
	const ownMiB, keptBytes = 512, 256
	need := 0
	for _, cell := range s.Cells(vocab.AttachAuto, cpus) {
		need = max(need, 2*cell.RingBytesTotal+keptBytes*cell.Events)
	}
	return ownMiB + need>>20
}

// prover measures on one kernel.
type prover struct {
	conn  session.Conn
	limit time.Duration // of a trial, beside its own time
	cpus  int
	phase func(string)
}

// prove measures the trials of all sizes. A trial that fails is the reason of its size;
// the others are measured nevertheless.
func (p *prover) prove(ctx context.Context, sizes []size.Size) error {
	kernel, err := probeIn(ctx, p.conn, vocab.Perf, p.limit)
	if err != nil {
		return err
	}
	for i := range sizes {
		if err := p.measure(ctx, &sizes[i], kernel.Attach); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			sizes[i].NotMeasured(err)
		}
	}
	return nil
}

func (p *prover) measure(ctx context.Context, s *size.Size, attach vocab.Attach) error {
	cells := s.Cells(attach, p.cpus)
	if len(cells) == 0 {
		return nil // and it says why
	}
	kernel, err := probeIn(ctx, p.conn, s.Transport, p.limit)
	if err != nil {
		return err
	}
	if !slices.Contains(kernel.Transports, s.Transport) {
		s.Lacking(kernel.Release)
		return nil
	}
	trials, err := measureCells(ctx, p.conn, cells, 0, p.limit+session.RunTime(&cells[0]), func(string) {
		p.phase("proof over " + string(s.Transport))
	})
	if err != nil {
		return err
	}
	counts := make([]*record.Counts, len(trials))
	for i, t := range trials {
		counts[i] = t.Counts
	}
	s.Judge(cells, counts)
	return nil
}
