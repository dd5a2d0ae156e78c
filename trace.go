// SPDX-License-Identifier: MIT

package ringtwin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Trace traces the system calls of a tracer on kernels.
type Trace struct {
	Host *vmtest.Host
	Spec vmtest.Spec
	// CPUs are the numbers of CPUs, with one machine each.
	CPUs []int
	// Args are the arguments of this program, as /init, that print one trace as JSON.
	// noCost means that times would be meaningless.
	Args    func(noCost bool) []string
	Timeout time.Duration
}

// TraceCPUs are the numbers of CPUs of the machines: those wanted, each once, or those that
// show the calls and how they grow. In virtual time a machine has one.
func TraceCPUs(want []int, attachments, virtual bool, accel machine.Accel) ([]int, error) {
	for i, n := range want {
		if slices.Contains(want[:i], n) {
			return nil, fmt.Errorf("--cpus %d: want each number once", n)
		}
	}
	switch {
	case virtual:
		for _, n := range append(want, vmtest.VirtualCPUs) {
			if err := (vmtest.Spec{Virtual: true, CPUs: n}).Defaults().Check(accel); err != nil {
				return nil, fmt.Errorf("--clock virtual: %w", err)
			}
		}
		return []int{vmtest.VirtualCPUs}, nil
	case len(want) > 0:
		return want, nil
	case attachments:
		// With two that are emulated, a kernel panicked now and then while a trampoline
		// was patched in.
		return []int{1}, nil
	}
	return []int{2, 1, 4}, nil
}

// Kernels returns the traces of all available kernels, and the error of each, indexed by
// kernel.
func (t *Trace) Kernels(ctx context.Context, refs []kernel.Ref) (found []trace.Kernel, errs []error, err error) {
	if _, err := t.Host.Initramfs(); err != nil {
		return nil, nil, err
	}
	kernels := make([]trace.Kernel, len(refs))
	var tasks []vmtest.Task
	for i, ref := range refs {
		kernels[i] = trace.Kernel{Name: ref.Name, Traces: make([]trace.Trace, len(t.CPUs))}
		for n, cpus := range t.CPUs {
			k := &traced{Trace: t, ref: ref, spec: t.Spec, found: &kernels[i].Traces[n]}
			k.spec.Name, k.spec.CPUs = fmt.Sprintf("%s, --cpus %d", ref.Name, cpus), cpus
			task := vmtest.Task{Fetch: k.fetch, Run: k.run, Spec: t.Spec}
			task.Spec.CPUs = 1 // a tracer that is watched runs on one CPU at a time
			tasks = append(tasks, task)
		}
	}
	failed, err := t.Host.Run(ctx, tasks)
	if err != nil {
		return nil, nil, err
	}
	for of := range slices.Chunk(failed, len(t.CPUs)) {
		i := slices.IndexFunc(of, func(err error) bool { return err != nil })
		if i < 0 {
			found, errs = append(found, kernels[0]), append(errs, nil)
		} else {
			errs = append(errs, of[i])
		}
		kernels = kernels[1:]
	}
	return found, errs, nil
}

// traced is the work on one kernel with one number of CPUs.
type traced struct {
	*Trace
	ref    kernel.Ref
	spec   vmtest.Spec
	bundle *kernel.Bundle
	found  *trace.Trace
}

func (k *traced) fetch(ctx context.Context) (err error) {
	k.bundle, err = k.Host.Fetch(ctx, k.ref, false)
	return err
}

func (k *traced) run(ctx context.Context, fetched error) error {
	err := fetched
	if err == nil {
		err = k.take(ctx)
	}
	if err != nil {
		k.Host.Progress.Phase(k.spec.Name, "failed")
		return fmt.Errorf("--cpus %d: %w", k.spec.CPUs, err)
	}
	k.Host.Progress.Phase(k.spec.Name, "done")
	return nil
}

// take runs this program in a machine as it runs here without a kernel.
func (k *traced) take(ctx context.Context) (err error) {
	machines, err := k.Host.Machines(ctx, k.bundle, k.spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, machines.Close()) }()
	guest, err := machines.Fresh(ctx)
	if err != nil {
		return err
	}
	defer guest.Kill()
	cfg := machines.Config()
	k.Host.Progress.Phase(k.spec.Name, "trace")
	command := wire.Command{
		Args: append([]string{"/init"}, k.Args(cfg.Accel == machine.TCG && !cfg.Virtual)...), Env: []string{"HOME=/tmp"}, Dir: "/tmp",
	}
	var stdout, stderr bytes.Buffer
	code := 0
	err = guest.Exec(ctx, command, k.Timeout+RequestTimeout(), func(o wire.Output) error {
		stdout.Write(o.Stdout)
		stderr.Write(o.Stderr)
		code = *cmp.Or(o.Exit, &code)
		return nil
	})
	if err != nil {
		return err
	}
	if code != 0 {
		return errors.New(string(bytes.TrimPrefix(bytes.TrimSpace(stderr.Bytes()), []byte("ringtwin: "))))
	}
	var there []trace.Kernel
	if err := json.Unmarshal(stdout.Bytes(), &there); err != nil {
		return fmt.Errorf("read trace: %w", err)
	}
	if len(there) != 1 || len(there[0].Traces) != 1 {
		return errors.New("the guest sent something other than one trace")
	}
	*k.found = there[0].Traces[0]
	k.found.Virtual = cfg.Virtual
	if !cfg.Virtual && k.found.CPUs != k.spec.CPUs {
		return fmt.Errorf("the kernel has started %d of them", k.found.CPUs)
	}
	return guest.Close()
}
