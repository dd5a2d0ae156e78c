// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
)

// ClockAuto chooses the clock: the host's under KVM; for emulated machines virtual time
// for the cost of an event, and counts for what is delivered, in machines of several
// CPUs.
const ClockAuto = "auto"

// Campaign measures a plan on kernels, as many at once as the host can handle.
type Campaign struct {
	Host *vmtest.Host
	Plan *plan.Plan
	// Clock is [ClockAuto], [record.Wall] or [record.Virtual].
	Clock string
	// Seeds is the number of consecutive seeds for the plan's blocks in virtual time.
	Seeds int
	// Spec configures the machines. The clock decides whether time is virtual.
	Spec vmtest.Spec
	// Results is where every trial is stored, as soon as it is known.
	Results *results.Dir
	// Profile adds profiles to trials in virtual time.
	Profile bool
	// Caches is a model of caches for the profiles; nil: none.
	Caches *plugin.Caches
	// Shard is the share of the work that is measured here; the zero value is all of it.
	Shard plan.Shard

	version string // of what makes the machines
}

// Run measures the plan on all kernels, or the shard's share of that, and returns the error
// of each piece of work. Every planned trial is stored, with a reason if it was not
// measured. What was to be measured is stored first. It returns [ErrEmptyShare] if that is
// nothing.
func (c *Campaign) Run(ctx context.Context, refs []kernel.Ref) ([]error, error) {
	work, err := c.Work(refs)
	if err != nil {
		return nil, err
	}
	if err := c.Results.Store(work); err != nil {
		return nil, err
	}
	errs, err := c.measure(ctx, refs, work)
	if err != nil && !errors.Is(err, ErrEmptyShare) {
		return errs, err // nothing was measured
	}
	// What was measured is to be shown, on a full disk too.
	return append(errs, c.Results.Store(work.End(errs))), err
}

// measure measures the share.
func (c *Campaign) measure(ctx context.Context, refs []kernel.Ref, work *results.Work) ([]error, error) {
	if len(work.Units()) == 0 {
		return nil, fmt.Errorf("%w: shard %s of %d units", ErrEmptyShare, c.Shard, len(work.All()))
	}
	var err error
	if c.version, err = c.Host.Version(ctx, c.Spec.Backend); err != nil {
		return nil, err
	}
	if _, err := c.Host.Initramfs(); err != nil {
		return nil, err
	}
	if c.Profile {
		spec := c.specOf(refs[0], c.Clock != record.Wall).Defaults()
		if err := c.Host.CanCount(ctx, spec.CPUs); err != nil {
			return nil, err
		}
	}
	var tasks []vmtest.Task
	for _, ref := range refs {
		if !work.Has(ref.Name) {
			continue
		}
		k := &kernelRun{Campaign: c, ref: ref, over: make(chan struct{}), share: work.Share(ref.Name)}
		tasks = append(tasks, vmtest.Task{Fetch: k.fetch, Run: k.run, Spec: c.specOf(ref, c.Clock == record.Virtual)})
		if c.Clock == ClockAuto {
			tasks = append(tasks, vmtest.Task{
				Run:  func(ctx context.Context, _ error) error { return k.runVirtual(ctx) },
				Spec: c.specOf(ref, true),
			})
		}
		c.Host.Progress.Phase(ref.Name, "wait")
	}
	return c.Host.Run(ctx, tasks)
}

// specOf configures the machines of a kernel. In virtual time they have one CPU, and
// virtme-ng is not used.
func (c *Campaign) specOf(ref kernel.Ref, virtual bool) vmtest.Spec {
	spec := c.Spec
	spec.Name = ref.Name
	if virtual && c.Clock == ClockAuto {
		spec.Name += " in virtual time"
		spec.Backend, spec.CPUs, spec.Cold = vmtest.QEMU, 0, false
	}
	if spec.Virtual = virtual; virtual {
		spec.Seed = c.Plan.Seed
	}
	spec = spec.Defaults()
	spec.MemoryMiB = max(spec.MemoryMiB, c.planMiB(spec.CPUs))
	return spec
}

// planMiB is the memory of a machine of cpus CPUs for the largest rings of the plan,
// which may be those of an agent; 0 where the default has room for all.
func (c *Campaign) planMiB(cpus int) int {
	const ownMiB, spareMiB = 512, 64
	configs, err := c.Plan.Configurations(cpus)
	if err != nil {
		return 0 // it is refused elsewhere
	}
	need := 0
	for _, config := range configs {
		for _, cell := range config.Cells {
			need = max(need, cell.RingBytesTotal>>20)
		}
	}
	if need <= spareMiB {
		return 0
	}
	return ownMiB + need
}

// machines prepares the machines of a kernel. Their console log is beside the results.
func (c *Campaign) machines(ctx context.Context, ref kernel.Ref, bundle *kernel.Bundle, virtual bool) (*vmtest.Machines, error) {
	spec := c.specOf(ref, virtual)
	if err := spec.Backend.Boots(bundle); err != nil {
		return nil, err // and has no log
	}
	log := ref.Name
	if virtual && c.Clock == ClockAuto {
		log += "-virtual"
	}
	var err error
	if spec.Console, err = c.Results.Console(log); err != nil {
		return nil, err
	}
	return c.Host.Machines(ctx, bundle, spec)
}

// command is the command that repeats a machine, with names in place of directories,
// which differ between runs and hosts.
func (c *Campaign) command(cfg machine.Config) string {
	out, err := filepath.Abs(c.Results.Path)
	if err != nil {
		out = c.Results.Path
	}
	return strings.NewReplacer(out, "$OUT", c.Host.Cache, "$RINGTWIN_CACHE").Replace(cfg.Command())
}

// why is the status of trials that were not measured because of an error.
func why(ctx context.Context, err error) (record.Status, string) {
	line := firstLine(err)
	var failure *machine.Failure
	switch {
	case ctx.Err() != nil:
		return record.Cancelled, line
	// First: a kernel that panicked has printed splats as well.
	case errors.As(err, &failure):
		return record.Status(failure.Outcome), line
	case errors.As(err, new(*session.ComplaintError)):
		return record.Splat, line
	case errors.As(err, new(*vmtest.FetchError)):
		return record.FetchFailed, line
	case errors.As(err, new(*machine.UnsupportedError)):
		return record.Unsupported, line
	}
	return record.Failed, line
}
