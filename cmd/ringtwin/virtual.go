// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// virtualConn serves each request with a fresh machine in virtual time, made of
// the same saved one: the answer is the same whenever it is asked for.
type virtualConn struct {
	connection
	k *kernelJob
}

// Do has a fresh machine serve the request.
func (c *virtualConn) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	m, err := c.k.snapshot.StartVirtual(c.k.cfg.Console, request)
	if err != nil {
		return err
	}
	defer m.Kill()
	c.Machine = m
	if _, err := m.AwaitReady(ctx); err != nil {
		return err
	}
	if err := m.Do(ctx, request, c.k.cfg.Limits.Restore+timeout, take); err != nil {
		return err
	}
	return c.look()
}

// Close has no machine to switch off.
func (c *virtualConn) Close() error { return c.uncharged() }

// freshVirtual has the machine saved, if it is not.
func (k *kernelJob) freshVirtual(ctx context.Context) (session.Conn, error) {
	if k.snapshot == nil {
		if err := k.prepare(ctx); err != nil {
			return nil, err
		}
	}
	return &virtualConn{connection: connection{allowed: k.allowed}, k: k}, nil
}

// Machines have two CPUs, so that producer and consumer do not share one, and one
// in virtual time: see docs/architecture.md.
const (
	wallCPUs    = 2
	virtualCPUs = 1
)

// clockAuto is the flag's word for the clock that the machine has a use of.
const clockAuto = "auto"

// checkClock refuses what cannot be, and fills in what depends on the clock.
func (v *vmtestCmd) checkClock() error {
	if v.Clock != record.Virtual {
		v.CPUs = cmp.Or(v.CPUs, wallCPUs)
		if v.Seeds > 1 {
			return errors.New("--seeds is for --clock virtual, where nothing else varies: here, want --blocks")
		}
		return nil
	}
	v.CPUs = cmp.Or(v.CPUs, virtualCPUs)
	switch {
	case v.CPUs != virtualCPUs:
		return errors.New("--clock virtual: want --cpus 1, for the turns that several take are the host's")
	case v.Accel == string(machine.KVM):
		return errors.New("--clock virtual: want --accel tcg, for KVM does not count instructions")
	case v.VM == vmVNG:
		return errors.New("--clock virtual: want --vm qemu, for what virtme-ng boots cannot be saved")
	case v.Cold:
		return errors.New("--clock virtual: not with --cold, for a machine is asked one thing and then made anew")
	}
	v.Accel = string(machine.TCG)
	return nil
}
