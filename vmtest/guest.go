// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Guest is a fresh machine that serves requests. In virtual time each request has its own
// machine, restored from the same snapshot, so its answer does not depend on when it is
// sent. A Guest is for one goroutine.
type Guest struct {
	// Machine is what serves; nil between the requests of virtual time.
	Machine  *machine.Machine
	machines *Machines
	worst    *console.Event // of this boot, until now
}

// Do sends a request and passes every answer to take, until it is done. The error is a
// [*machine.Failure] if the machine failed.
func (g *Guest) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	if !g.machines.cfg.Virtual {
		return g.Machine.Do(ctx, request, timeout, take)
	}
	return g.inVirtualTime(ctx, func(s *machine.Snapshot) (*machine.Machine, error) {
		return s.StartVirtual(g.machines.cfg.Console, request)
	}, func() error { return g.Machine.Answers(ctx, g.machines.cfg.Limits.Restore+timeout, take) })
}

// Exec runs a program of the initramfs, as the command specifies, and passes each piece
// of its output to take; the last piece has the exit code.
func (g *Guest) Exec(ctx context.Context, c wire.Command, timeout time.Duration, take func(wire.Output) error) error {
	if !g.machines.cfg.Virtual {
		return g.Machine.Exec(ctx, c, timeout, take)
	}
	return g.inVirtualTime(ctx, func(s *machine.Snapshot) (*machine.Machine, error) {
		return s.StartVirtualExec(g.machines.cfg.Console, c)
	}, func() error { return g.Machine.Output(ctx, g.machines.cfg.Limits.Restore+timeout, take) })
}

// inVirtualTime starts a machine for one request, and has it serve that.
func (g *Guest) inVirtualTime(ctx context.Context, start func(*machine.Snapshot) (*machine.Machine, error), serve func() error) (err error) {
	if g.Machine, err = start(g.machines.snapshot); err != nil {
		return err
	}
	defer func() {
		g.Machine.Kill()
		if err == nil {
			_, err = g.Complaint()
		}
		g.Machine = nil
	}()
	if _, err := g.Machine.AwaitReady(ctx); err != nil {
		return err
	}
	return serve()
}

// Complaint returns the first splat found on the console since boot, with its kind and
// line, or "". Of a panic that another splat made it is that one. Allowed splats are ignored.
func (g *Guest) Complaint() (string, error) {
	if g.Machine != nil {
		events, err := g.Machine.Complaints()
		if err != nil {
			return "", err
		}
		if worst, ok := console.Worst(g.machines.spec.Allowed.Filter(events)); ok && g.worst == nil {
			g.worst = &worst
		}
	}
	if g.worst == nil {
		return "", nil
	}
	return g.worst.String(), nil
}

// Reboot resets the machine and waits until the kernel has booted again. In virtual time
// it is an error.
func (g *Guest) Reboot(ctx context.Context) error {
	if g.Machine == nil {
		return errors.New("reboot in virtual time: each request has a machine of its own")
	}
	_, err := g.Machine.Reboot(ctx)
	return err
}

// Close switches the machine off.
func (g *Guest) Close() error {
	if g.Machine == nil {
		return nil
	}
	return g.Machine.Stop()
}

// Kill ends the machine at once. It may be called twice, and after Close.
func (g *Guest) Kill() {
	if g.Machine != nil {
		g.Machine.Kill()
	}
}
