// SPDX-License-Identifier: MIT

package vmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
)

// Backend is the program that starts machines.
type Backend string

// The backends.
const (
	// QEMU: this package starts it, with an initramfs of its own.
	QEMU Backend = "qemu"
	// VNG is virtme-ng: its machines have this system's root, and are booted anew each
	// time. The kernel needs 9p.
	VNG Backend = "vng"
)

// Spec configures machines. The zero value of a field is its default.
type Spec struct {
	Backend Backend // default: [QEMU]
	// Virtual makes an instruction take one nanosecond on any host: the same requests get
	// the same answers. It requires one CPU and emulation.
	Virtual bool
	// Seed is that of the guest's entropy in virtual time.
	Seed uint64
	// CPUs of a machine. Default: 2, so that producer and consumer do not share one,
	// and 1 in virtual time.
	CPUs int
	// MemoryMiB is what a machine has. Default: 512.
	MemoryMiB int
	// Append is added to the kernel's command line.
	Append string
	// Cold boots every machine instead of restoring a snapshot.
	Cold bool
	// Initramfs is the path of an archive. Default: this program as /init.
	Initramfs string
	// Program makes the machines ones for programs, which these take for a host.
	Program bool
	// Allowed are splats that are ignored.
	Allowed console.Allowed
	// BootTimeout and RequestTimeout replace the limits of the accelerator.
	BootTimeout, RequestTimeout time.Duration

	// Name identifies the machines in progress reports. Default: the kernel's.
	Name string
	// Console is the path of the kernel's log. Default: a temporary file.
	Console string
}

// Defaults of machines.
const (
	wallCPUs    = 2
	VirtualCPUs = 1 // virtual time has no turns to take
	memoryMiB   = 512
)

// Defaults fills in what is not set.
func (s Spec) Defaults() Spec {
	s.Backend = cmp.Or(s.Backend, QEMU)
	s.MemoryMiB = cmp.Or(s.MemoryMiB, memoryMiB)
	if s.Virtual {
		s.CPUs = cmp.Or(s.CPUs, VirtualCPUs)
	}
	s.CPUs = cmp.Or(s.CPUs, wallCPUs)
	if s.Backend == VNG {
		s.Cold = true // what it boots cannot be saved: the root is this system's
	}
	return s
}

// Check rejects combinations that an accelerator does not support.
func (s Spec) Check(accel machine.Accel) error {
	switch {
	case s.Backend != QEMU && s.Backend != VNG:
		return fmt.Errorf("backend %q: want %s or %s", s.Backend, QEMU, VNG)
	case !s.Virtual:
		return nil
	case s.CPUs != VirtualCPUs:
		return fmt.Errorf("want %d CPU and not %d, for the turns that several take are the host's", VirtualCPUs, s.CPUs)
	case accel == machine.KVM:
		return errors.New("want emulation (tcg), for KVM does not count instructions")
	case s.Backend == VNG:
		return errors.New("want QEMU, for what virtme-ng boots cannot be saved")
	case s.Cold:
		return errors.New("not cold, for a machine is asked one thing and then restored")
	}
	return nil
}

// WantsModules reports whether the backend can use a kernel's modules. Debian's cloud
// flavour has no 9p among them.
func (b Backend) WantsModules(ref kernel.Ref) bool { return b == VNG && ref.Flavour != "cloud" }

// Boots returns an [*machine.UnsupportedError] for a kernel that the backend cannot boot, as
// far as its image and its configuration tell.
func (b Backend) Boots(bundle *kernel.Bundle) error {
	if b == VNG {
		return machine.VNGBoots(bundle.ConfigPath, bundle.Image, bundle.Release)
	}
	reason, err := bundle.Unbootable()
	if err != nil || reason == "" {
		return err
	}
	return &machine.UnsupportedError{Reason: fmt.Sprintf("%s cannot be booted: %s", cmp.Or(bundle.Want, bundle.Release, bundle.Image), reason)}
}

// Version returns the versions of the backend and of QEMU.
func (h *Host) Version(ctx context.Context, b Backend) (string, error) {
	if b != VNG {
		return h.version, nil
	}
	version, err := machine.VNGVersion(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, QEMU %s", version, h.version), nil
}

// Machines are identical machines of one kernel. Close them after use. In virtual time
// several goroutines may start machines.
type Machines struct {
	host *Host
	spec Spec
	cfg  machine.Config
	temp string // directory to remove

	mu       sync.Mutex
	snapshot *machine.Snapshot
	// functions are those of the kernel, if they were asked for.
	functions *plugin.Symbols
}

// Machines prepares the machines of a kernel. The error is an [*machine.UnsupportedError]
// if the backend cannot boot it.
func (h *Host) Machines(ctx context.Context, bundle *kernel.Bundle, spec Spec) (_ *Machines, err error) {
	spec = spec.Defaults()
	if err := spec.Check(h.Accel); err != nil {
		return nil, err
	}
	if err := spec.Backend.Boots(bundle); err != nil {
		return nil, err
	}
	spec.Name = cmp.Or(spec.Name, bundle.Want)
	m := &Machines{host: h, spec: spec}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if spec.Console == "" {
		if m.temp, err = os.MkdirTemp("", "ringtwin-"); err != nil {
			return nil, err
		}
		spec.Console = filepath.Join(m.temp, "console.log")
	}
	if spec.Initramfs == "" {
		archive := h.Initramfs
		if spec.Program {
			archive = h.programInitramfs
		}
		if spec.Initramfs, err = archive(); err != nil {
			return nil, err
		}
	}
	if spec.Backend == QEMU {
		if spec.Initramfs, err = archiveFor(bundle, spec.Initramfs); err != nil {
			return nil, err
		}
		if err := checkFits(spec.Initramfs, spec.MemoryMiB); err != nil {
			return nil, err
		}
	}
	m.cfg = machine.Config{
		QEMU: h.QEMU, Kernel: bundle.Image, Initramfs: spec.Initramfs, Console: spec.Console,
		CPUs: spec.CPUs, MemoryMiB: spec.MemoryMiB, Append: spec.Append, Shared: spec.Program,
	}.Defaults()
	if spec.Virtual {
		m.cfg.Virtual, m.cfg.Seed = true, spec.Seed
	} else {
		m.cfg.Accel = h.accelerate(ctx, m.cfg, spec.Name) // without virtme-ng: that takes less, and says the same
	}
	if spec.Backend == VNG {
		if err := m.byVNG(); err != nil {
			return nil, err
		}
	}
	m.cfg.Limits = machine.LimitsOf(m.cfg).With(spec.BootTimeout, spec.RequestTimeout)
	return m, nil
}

// byVNG makes virtme-ng start the machines. It needs the path of QEMU, because it runs
// elsewhere.
func (m *Machines) byVNG() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	m.cfg.VNG = &machine.VNG{Guest: []string{self, "guest"}}
	if m.cfg.QEMU == machine.DefaultQEMU {
		return nil
	}
	if m.cfg.QEMU, err = exec.LookPath(m.cfg.QEMU); err == nil {
		m.cfg.QEMU, err = filepath.Abs(m.cfg.QEMU)
	}
	return err
}

// Spec is what the machines have, with the defaults filled in.
func (m *Machines) Spec() Spec { return m.spec }

// Config is how QEMU is started.
func (m *Machines) Config() machine.Config { return m.cfg }

// WithConsole returns the same machines with their own log, from the same snapshot.
func (m *Machines) WithConsole(ctx context.Context, path string) (*Machines, error) {
	if err := m.Prepare(ctx); err != nil {
		return nil, err
	}
	other := &Machines{host: m.host, spec: m.spec, cfg: m.cfg}
	other.cfg.Console = path
	var err error
	other.snapshot, err = m.snapshot.Clone()
	return other, err
}

// Prepare loads the snapshot, or boots a machine and saves it. [Machines.Fresh] calls it
// if needed.
func (m *Machines) Prepare(ctx context.Context) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spec.Cold || m.snapshot != nil {
		return nil
	}
	dir := filepath.Join(m.host.Cache, "snapshots")
	if m.snapshot, err = machine.LoadSnapshot(dir, m.cfg, m.host.version); err == nil {
		return nil
	}
	m.phase("boot, and save the machine")
	m.snapshot, err = machine.SaveSnapshot(ctx, dir, m.cfg, m.host.version)
	return err
}

func (m *Machines) phase(text string) { m.host.Progress.Phase(m.spec.Name, text) }

// Fresh starts a machine that has run nothing yet. In virtual time each request is served
// by its own machine.
func (m *Machines) Fresh(ctx context.Context) (*Guest, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	g := &Guest{machines: m}
	if m.cfg.Virtual {
		return g, m.Prepare(ctx)
	}
	if err := m.start(ctx, g); err != nil {
		return nil, err
	}
	if _, err := g.Machine.AwaitReady(ctx); err != nil {
		return nil, err
	}
	m.host.keepChoice()
	return g, nil
}

func (m *Machines) start(ctx context.Context, g *Guest) (err error) {
	if err := m.Prepare(ctx); err != nil {
		return err
	}
	if m.snapshot == nil {
		m.phase("boot")
		g.Machine, err = machine.Start(m.cfg)
		return err
	}
	m.phase("restore")
	g.Machine, err = m.snapshot.Start(m.cfg.Console)
	return err
}

// Close frees the snapshot. Started machines keep running.
func (m *Machines) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	if m.snapshot != nil {
		err = m.snapshot.Close()
		m.snapshot = nil
	}
	if m.temp != "" {
		err = errors.Join(err, os.RemoveAll(m.temp))
	}
	return err
}
