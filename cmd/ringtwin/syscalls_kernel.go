// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// kernelTrace is the work on one kernel with one number of CPUs.
type kernelTrace struct {
	*syscallsJob
	ref    kernel.Ref
	cpus   int
	log    string // of the console
	bundle *kernel.Bundle
	found  *trace.Trace

	emulated bool // known once the machine is started
}

func (k *kernelTrace) phase(name string) {
	k.show.Phase(fmt.Sprintf("%s, --cpus %d", k.ref.Name, k.cpus), name)
}

func (k *kernelTrace) fetch(ctx context.Context) error {
	resolver, err := k.resolver(k.cache, k.phase)
	if err != nil {
		return err
	}
	k.bundle, err = resolver.Fetch(ctx, k.ref)
	return kernelError(err)
}

func (k *kernelTrace) run(ctx context.Context, fetched error) error {
	err := fetched
	if err == nil {
		err = k.take(ctx)
	}
	if err != nil {
		k.phase("failed")
		return fmt.Errorf("--cpus %d: %w", k.cpus, err)
	}
	k.phase("done")
	return nil
}

// take has this program do in a machine what it does here without a kernel.
func (k *kernelTrace) take(ctx context.Context) error {
	m, err := k.start(ctx)
	if err != nil {
		return err
	}
	defer m.Kill()
	ready, err := m.AwaitReady(ctx)
	if err != nil {
		return err
	}
	k.keepChoice()
	if k.Clock != record.Virtual && ready.CPUs != k.cpus {
		return fmt.Errorf("the kernel has started %d of them", ready.CPUs)
	}
	k.phase("trace")
	var stdout, stderr bytes.Buffer
	code := 0
	err = m.Exec(ctx, k.command(), k.timeout()+requestTimeout(), func(o guest.Output) error {
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
	if k.found.Virtual = k.Clock == record.Virtual; k.found.Virtual {
		return nil // it serves one request, and nothing can be said to it
	}
	return m.Stop()
}

// command is what the guest is to run.
func (k *kernelTrace) command() guest.Command {
	args := []string{"/init", "syscalls", "--json", "--attach", k.Attach, "--timeout", k.timeout().String()}
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
func (k *kernelTrace) start(ctx context.Context) (*machine.Machine, error) {
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
	dir := filepath.Join(k.cache, "snapshots")
	snapshot, err := machine.LoadSnapshot(dir, cfg, k.version)
	if err != nil {
		k.phase("boot, and save the machine")
		snapshot, err = machine.SaveSnapshot(ctx, dir, cfg, k.version)
	}
	if err != nil {
		return nil, err
	}
	var m *machine.Machine
	if cfg.Virtual {
		m, err = snapshot.StartVirtualExec(cfg.Console, k.command())
	} else {
		m, err = snapshot.Start(cfg.Console)
	}
	return m, errors.Join(err, snapshot.Close())
}

// virtualSeed is that of the machine's entropy in virtual time; any will do.
const virtualSeed = 1
