// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// backend starts machines.
type backend interface {
	// name is that of the program that is started, for errors.
	name() string
	// args is its command line, the program first.
	args(Config) []string
	// limits are those of its machines, where QEMU's by the host's clock have these.
	limits(Limits) Limits
	// start starts the program; with a state, the machine is restored from that.
	start(m *Machine, state *os.File) error
	// ready waits until the guest has booted, or goes on where it was saved.
	ready(ctx context.Context, m *Machine) (wire.State, error)
	// save writes the state of a machine that is ready to the file.
	save(m *Machine, state *os.File) error
}

// backend is the one place that selects it.
func (c Config) backend() backend {
	switch {
	case c.VNG != nil:
		return byVNG{}
	case c.Virtual:
		return inVirtualTime{}
	case c.Shared:
		return forPrograms{}
	}
	return byWallClock{}
}

// byWallClock is QEMU with guests in the host's time.
type byWallClock struct{}

func (byWallClock) name() string           { return "QEMU" }
func (byWallClock) args(c Config) []string { return c.qemuArgs(c.accelerator()) }
func (byWallClock) limits(l Limits) Limits { return l }

func (byWallClock) start(m *Machine, state *os.File) error {
	return m.startQEMU(m.cfg, func(e *ends) ([]*os.File, error) { return m.plug(e, state) })
}

func (byWallClock) ready(ctx context.Context, m *Machine) (wire.State, error) {
	if !m.restored {
		return m.takeReady(ctx, time.Now().Add(m.cfg.Limits.Boot))
	}
	deadline := time.Now().Add(m.cfg.Limits.Restore)
	// It reported ready before it was saved. Bytes written while the state is still being
	// loaded would end in a serial port that is then replaced.
	if err := m.monitor.awaitRunning(ctx, deadline); err != nil {
		return wire.State{}, m.failure(BootFailed, fmt.Errorf("restore: %w", err))
	}
	if err := m.out.Write(wire.Ping, struct{}{}); err != nil {
		return wire.State{}, m.failure(BootFailed, fmt.Errorf("restore: %w: %w", m.gone(), err))
	}
	return m.takeReady(ctx, deadline)
}

func (byWallClock) save(m *Machine, state *os.File) error { return m.monitor.save(state) }

// inVirtualTime is QEMU with guests in virtual time: see virtual.go.
type inVirtualTime struct{}

func (inVirtualTime) name() string { return "QEMU" }

func (inVirtualTime) args(c Config) []string { return c.qemuArgs(c.virtual(c.accelerator())) }

// Until saved they need 11 s of CPU, because they wait until the kernel has settled.
func (inVirtualTime) limits(l Limits) Limits {
	l.Boot *= 4
	return l
}

func (inVirtualTime) start(m *Machine, state *os.File) error {
	cfg := m.cfg
	cfg.controlFD = controlFD
	return m.startQEMU(cfg, func(e *ends) ([]*os.File, error) { return m.plugVirtual(e, state) })
}

func (inVirtualTime) ready(ctx context.Context, m *Machine) (wire.State, error) {
	return m.runVirtual(ctx)
}

func (inVirtualTime) save(m *Machine, state *os.File) error { return m.saveStopped(state, devicesFD) }

// byVNG is virtme-ng, which starts QEMU.
type byVNG struct{}

func (byVNG) name() string           { return "virtme-ng" }
func (byVNG) args(c Config) []string { return c.vngArgs() }

// They need 22 s of CPU until ready where ours need 3: their kernel is larger, and udev
// loads modules for all their devices.
func (byVNG) limits(l Limits) Limits {
	l.Boot *= 5
	return l
}

var errNoSnapshot = errors.New("virtme-ng's machines cannot be saved: their root is this system's")

func (byVNG) start(m *Machine, state *os.File) error {
	if state != nil {
		return errNoSnapshot
	}
	return m.startVNG()
}

func (byVNG) ready(ctx context.Context, m *Machine) (wire.State, error) {
	return m.takeReady(ctx, time.Now().Add(m.cfg.Limits.Boot))
}

func (byVNG) save(*Machine, *os.File) error { return errNoSnapshot }
