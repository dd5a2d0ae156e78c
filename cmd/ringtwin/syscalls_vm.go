package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ringtwin/ringtwin/harness/census"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// syscallsJob is a census of many kernels in progress.
type syscallsJob struct {
	*syscallsCmd
	*env
	cache, version, initramfs, temp string
	show                            *board

	choosing sync.Mutex // KVM is proved once
	choice   *machine.Choice
}

// inMachines takes the censuses of all kernels that can be had. What went wrong
// with the others is told, and returned too.
func (s *syscallsCmd) inMachines(e *env) (found []census.Kernel, errs []error, err error) {
	j := &syscallsJob{syscallsCmd: s, env: e, show: newBoard(e.stderr)}
	defer j.show.end()
	if j.cache, err = cacheDir(); err != nil {
		return nil, nil, err
	}
	if j.version, err = machine.Version(e.ctx, s.QEMU); err != nil {
		return nil, nil, err
	}
	if j.initramfs, err = initramfs.Self(filepath.Join(j.cache, "initramfs")); err != nil {
		return nil, nil, err
	}
	if j.temp, err = os.MkdirTemp("", "ringtwin-syscalls-"); err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(j.temp)
	resolver, err := s.resolver(j.cache, nil)
	if err != nil {
		return nil, nil, err
	}
	var refs []kernel.Ref
	for _, want := range s.Kernels {
		some, err := resolver.Resolve(e.ctx, want)
		if err != nil {
			return nil, nil, kernelError(err)
		}
		for _, ref := range some {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return nil, nil, err
	}
	kernels := make([]census.Kernel, len(refs))
	var tasks []fleet.Task
	for i, ref := range refs {
		kernels[i] = census.Kernel{Name: ref.Name, Censuses: make([]census.Census, len(s.CPUs))}
		for n, cpus := range s.CPUs {
			k := &kernelCensus{syscallsJob: j, ref: ref, cpus: cpus, found: &kernels[i].Censuses[n], log: fmt.Sprintf("%d-%d.log", i, cpus)}
			tasks = append(tasks, fleet.Task{
				Fetch: k.fetch, Run: k.run, Threads: 1, MemoryBytes: int64(s.Memory)<<20 + overheadBytes,
			})
		}
	}
	failed := fleet.Run(e.ctx, fleet.Limits{Jobs: s.Jobs, MemoryBytes: memory / 10 * 8}, tasks)
	j.show.end()
	for i := range kernels {
		bad := slices.DeleteFunc(failed[i*len(s.CPUs):(i+1)*len(s.CPUs)], func(err error) bool { return err == nil })
		if len(bad) == 0 {
			found = append(found, kernels[i])
			continue
		}
		errs = append(errs, bad...)
		var failure *machine.Failure
		if errors.As(bad[0], &failure) {
			fmt.Fprintf(e.stderr, "ringtwin: %s: %s", refs[i].Name, failure.Report())
		} else {
			fmt.Fprintf(e.stderr, "ringtwin: %s: %v\n", refs[i].Name, bad[0])
		}
	}
	return found, errs, nil
}

// accel says on which accelerator machines run. The first kernel proves KVM.
func (j *syscallsJob) accel(cfg machine.Config) machine.Accel {
	if j.Accel != "auto" {
		return machine.Accel(j.Accel)
	}
	j.choosing.Lock()
	defer j.choosing.Unlock()
	if j.choice == nil {
		choice := machine.ChooseAccel(j.ctx, cfg, j.version, j.cache)
		j.choice = &choice
	}
	return j.choice.Accel
}

// kernelCensus is the work on one kernel with one number of CPUs.
type kernelCensus struct {
	*syscallsJob
	ref    kernel.Ref
	cpus   int
	log    string // of the console
	bundle *kernel.Bundle
	found  *census.Census

	emulated bool // known once the machine is started
}

func (k *kernelCensus) phase(name string) {
	k.show.phase(fmt.Sprintf("%s, %d CPUs", k.ref.Name, k.cpus), name)
}

func (k *kernelCensus) fetch(ctx context.Context) error {
	resolver, err := k.resolver(k.cache, k.phase)
	if err != nil {
		return err
	}
	k.bundle, err = resolver.Fetch(ctx, k.ref)
	return kernelError(err)
}

func (k *kernelCensus) run(ctx context.Context, fetched error) error {
	err := fetched
	if err == nil {
		err = k.take(ctx)
	}
	if err != nil {
		k.phase("failed")
		return fmt.Errorf("with %d CPUs: %w", k.cpus, err)
	}
	k.phase("done")
	return nil
}

// take has this program do in a machine what it does here without a kernel.
func (k *kernelCensus) take(ctx context.Context) error {
	m, err := k.start(ctx)
	if err != nil {
		return err
	}
	defer m.Kill()
	ready, err := m.AwaitReady(ctx)
	if err != nil {
		return err
	}
	if k.Clock != record.Virtual && ready.CPUs != k.cpus {
		return fmt.Errorf("the kernel has started %d of them", ready.CPUs)
	}
	k.phase("census")
	var stdout, stderr bytes.Buffer
	code := 0
	err = m.Exec(ctx, k.command(), k.Timeout+requestTimeout, func(o guest.Output) error {
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
	var there []census.Kernel
	if err := json.Unmarshal(stdout.Bytes(), &there); err != nil {
		return fmt.Errorf("read census: %w", err)
	}
	if len(there) != 1 || len(there[0].Censuses) != 1 {
		return errors.New("the guest sent something else than one census")
	}
	*k.found = there[0].Censuses[0]
	if k.found.Virtual = k.Clock == record.Virtual; k.found.Virtual {
		return nil // it serves one request, and nothing can be said to it
	}
	return m.Stop()
}

// command is what the guest is to run.
func (k *kernelCensus) command() guest.Command {
	args := []string{"/init", "syscalls", "--json", "--attach", k.Attach, "--timeout", k.Timeout.String()}
	if k.Attachments {
		args = append(args, "--attachments")
	}
	if !k.Cost || k.emulated && k.Clock != record.Virtual {
		args = append(args, "--no-cost")
	}
	return guest.Command{Args: args, Env: []string{"HOME=/tmp"}, Dir: "/tmp"}
}

// start makes a machine of the one that was saved before, or is saved now. In
// virtual time it is given the command then.
func (k *kernelCensus) start(ctx context.Context) (*machine.Machine, error) {
	cfg := machine.Config{
		QEMU: k.QEMU, Kernel: k.bundle.Image, Initramfs: k.initramfs, CPUs: k.cpus, MemoryMiB: k.Memory,
		Console: filepath.Join(k.temp, k.log),
	}.Defaults()
	cfg.Accel = k.accel(cfg)
	cfg.Limits = machine.LimitsOf(cfg.Accel)
	k.emulated = cfg.Accel == machine.TCG
	if k.Clock == record.Virtual {
		cfg.Virtual, cfg.Seed, cfg.Limits = true, virtualSeed, cfg.Limits.ForVirtual()
	}
	folder := filepath.Join(k.cache, "warm")
	warm, err := machine.LoadWarm(folder, cfg, k.version)
	if err != nil {
		k.phase("boot, and save the machine")
		warm, err = machine.SaveWarm(ctx, folder, cfg, k.version)
	}
	if err != nil {
		return nil, err
	}
	var m *machine.Machine
	if cfg.Virtual {
		m, err = warm.StartVirtualExec(cfg.Console, k.command())
	} else {
		m, err = warm.Start(cfg.Console)
	}
	return m, errors.Join(err, warm.Close())
}

// virtualSeed is that of the machine's entropy in virtual time; any will do.
const virtualSeed = 1
