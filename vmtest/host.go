// SPDX-License-Identifier: MIT

package vmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Config configures a [Host]. The zero value uses what this machine has.
type Config struct {
	// Cache is the directory of kernels, snapshots and archives. Default: [CacheDir].
	Cache string
	// QEMU is the program. Default: that of this machine's architecture, from PATH.
	QEMU string
	// Accel is how instructions are executed. Default: [machine.Auto], which tests KVM by
	// booting, and emulates if that fails.
	Accel machine.Accel
	// Offline uses only kernels in the cache.
	Offline bool
	// Lock, if not nil, rejects every kernel that is not in it.
	Lock *kernel.Lock
	// Places are the locations of the kernel sources. The zero value: the Internet.
	Places kernel.Places
	// Jobs is the maximum number of machines that run at once. Default: as many as memory
	// and cores allow.
	Jobs int
	// ExpectKVM makes it a warning if emulation is used, wherever /dev/kvm is missing too.
	ExpectKVM bool
	// Progress receives progress events. Default: none.
	Progress Progress
}

// Progress receives the progress of several things, such as kernels. It must be safe for
// concurrent use.
type Progress interface {
	// Phase reports the current phase of name.
	Phase(name, phase string)
	// Done reports that name is finished. Without a result, nothing is shown for it.
	Done(name, result string)
	// Note reports a line that is not about one thing.
	Note(text string)
}

type silent struct{}

func (silent) Phase(string, string) {}
func (silent) Done(string, string)  {}
func (silent) Note(string)          {}

// Host boots kernels on this machine. It is safe for concurrent use.
type Host struct {
	Config
	version string // of QEMU
	// self and program are the archives of machines, and of machines for programs.
	self, program func() (string, error)

	choosing sync.Mutex // KVM is proved once
	choice   *machine.Choice
}

// NewHost looks for QEMU.
func NewHost(ctx context.Context, cfg Config) (*Host, error) {
	if err := machine.CheckArch(""); err != nil {
		return nil, err
	}
	if cfg.Cache == "" {
		dir, err := CacheDir()
		if err != nil {
			return nil, err
		}
		cfg.Cache = dir
	}
	cfg.QEMU = cmp.Or(cfg.QEMU, machine.DefaultQEMU)
	cfg.Accel = cmp.Or(cfg.Accel, machine.Auto)
	if cfg.Progress == nil {
		cfg.Progress = silent{}
	}
	version, err := machine.Version(ctx, cfg.QEMU)
	if err != nil {
		return nil, err
	}
	archives := filepath.Join(cfg.Cache, "initramfs")
	return &Host{
		Config: cfg, version: version,
		self:    sync.OnceValues(func() (string, error) { return initramfs.Self(archives) }),
		program: sync.OnceValues(func() (string, error) { return initramfs.Host(archives, wire.HostRoot) }),
	}, nil
}

// CacheDir is where kernels and machines are kept by default: RINGTWIN_CACHE, or a
// directory of the user's cache.
func CacheDir() (string, error) {
	if dir := os.Getenv("RINGTWIN_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w (set one with RINGTWIN_CACHE)", err)
	}
	return filepath.Join(dir, "ringtwin"), nil
}

// Initramfs is the path of the archive that has this program as /init, with its shared
// libraries.
func (h *Host) Initramfs() (string, error) { return h.self() }

// programInitramfs is that of machines for programs.
func (h *Host) programInitramfs() (string, error) { return h.program() }

// QEMUVersion is the version that QEMU reports.
func (h *Host) QEMUVersion() string { return h.version }

func (h *Host) resolver(name string) kernel.Resolver {
	return kernel.Resolver{
		Cache: kernel.Cache{Dir: h.Cache}, Offline: h.Offline, Lock: h.Lock, Places: h.Places,
		Phase: func(phase string) { h.Progress.Phase(name, phase) },
	}
}

// Resolve resolves all words before anything is fetched or booted. A word that means no
// kernel, or whose source cannot be queried, is returned too, as it is: fetching it
// returns the reason. Only if no word is so much as the name of a kernel is that an error,
// which wraps [kernel.ErrNotNamed]. Each kernel is returned once, with a unique name.
func (h *Host) Resolve(ctx context.Context, words ...string) ([]kernel.Ref, error) {
	var all []kernel.Ref
	var mistakes []error
	seen, names := map[kernel.Ref]bool{}, map[string]int{}
	for i, want := range words {
		if slices.Contains(words[:i], want) {
			continue
		}
		refs, err := h.resolver(want).Resolve(ctx, want)
		h.Progress.Done(want, "")
		for _, ref := range refs {
			if wrong := machine.CheckArch(ref.Arch); wrong != nil {
				err = fmt.Errorf("kernel %s: %w: %w", want, errArch, wrong)
			}
		}
		if err != nil {
			refs = []kernel.Ref{kernel.Unresolved(want, err)}
		}
		if errors.Is(err, kernel.ErrNotNamed) || errors.Is(err, errArch) {
			mistakes = append(mistakes, err)
		}
		for _, ref := range refs {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			if names[ref.Name]++; names[ref.Name] > 1 {
				ref.Name = fmt.Sprintf("%s-%d", ref.Name, names[ref.Name])
			}
			all = append(all, ref)
		}
	}
	if len(mistakes) > 0 && len(mistakes) == len(all) {
		return nil, errors.Join(mistakes...)
	}
	return all, nil
}

// errArch is a kernel of an architecture that machines here do not have.
var errArch = errors.New("cannot be booted")

// IsMistake reports whether an error means that there is no such kernel, and not that a
// source could not be queried.
func IsMistake(err error) bool {
	var missing *kernel.NotFoundError
	return errors.Is(err, errArch) || errors.Is(err, kernel.ErrNotNamed) || errors.As(err, &missing) && missing.IsSure()
}

// FetchError is a kernel that could not be fetched.
type FetchError struct{ Err error }

func (e *FetchError) Error() string { return e.Err.Error() }
func (e *FetchError) Unwrap() error { return e.Err }

// Fetch brings a kernel into the cache. The error is a [*FetchError].
func (h *Host) Fetch(ctx context.Context, ref kernel.Ref, modules bool) (*kernel.Bundle, error) {
	resolver := h.resolver(ref.Name)
	resolver.Modules = modules
	bundle, err := resolver.Fetch(ctx, ref)
	if err != nil {
		return nil, &FetchError{err}
	}
	h.Progress.Phase(ref.Name, "wait")
	return bundle, nil
}

// FetchAll fetches the kernels that the words mean, in order, and passes each to take.
func FetchAll(ctx context.Context, r kernel.Resolver, progress Progress, words []string, take func(kernel.Ref, *kernel.Bundle) error) error {
	name := ""
	r.Phase = func(phase string) { progress.Phase(name, phase) }
	for _, want := range words {
		name = want
		refs, err := r.Resolve(ctx, want)
		progress.Done(want, "")
		if err != nil {
			return err
		}
		for _, ref := range refs {
			name = ref.Name
			b, err := r.Fetch(ctx, ref)
			if err != nil {
				return err
			}
			progress.Done(ref.Name, b.Release)
			if err := take(ref, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// overheadBytes is what QEMU takes beside the guest's memory.
const overheadBytes = 150 << 20

// Task is work that keeps a machine busy.
type Task struct {
	// Fetch downloads what the work needs. If it fails, Run is still called, with its
	// error: only Run knows what to record. May be nil.
	Fetch func(context.Context) error
	Run   func(ctx context.Context, fetched error) error
	// Spec is the machine's, of which CPUs, memory and clock count.
	Spec Spec
}

// Run runs all tasks, as many at once as this machine can handle, and returns the error
// of each, indexed by task. See [fleet.Run].
func (h *Host) Run(ctx context.Context, tasks []Task) ([]error, error) {
	memory, err := fleet.AvailableMemory()
	if err != nil {
		return nil, err
	}
	all := make([]fleet.Task, len(tasks))
	for i, t := range tasks {
		spec := t.Spec.Defaults()
		all[i] = fleet.Task{Fetch: t.Fetch, Run: t.Run, Threads: h.threads(spec), MemoryBytes: int64(spec.MemoryMiB)<<20 + overheadBytes}
	}
	return fleet.Run(ctx, fleet.Limits{Jobs: h.Jobs, MemoryBytes: usable(memory)}, all), nil
}

// usable keeps a reserve for the host and for this program.
func usable(availableBytes int64) int64 { return availableBytes / 10 * 8 }

// threads is how many cores a machine keeps busy: one where its CPUs take turns.
func (h *Host) threads(spec Spec) int {
	if !spec.Virtual && (h.Accel == machine.KVM || h.Accel == machine.Auto && machine.MayUseKVM(h.version, h.Cache)) {
		return spec.CPUs
	}
	return 1
}

// Room is how many more machines with this much memory fit now.
func Room(memoryMiB int) (machines, availableMiB int64, err error) {
	available, err := fleet.AvailableMemory()
	return usable(available) / (int64(memoryMiB)<<20 + overheadBytes), available >> 20, err
}

// accelerate chooses the accelerator of a machine. The first call tests KVM.
func (h *Host) accelerate(ctx context.Context, cfg machine.Config, name string) machine.Accel {
	if h.Accel != machine.Auto {
		return h.Accel
	}
	return h.choose(ctx, cfg, name).Accel
}

func (h *Host) choose(ctx context.Context, cfg machine.Config, name string) machine.Choice {
	h.choosing.Lock()
	defer h.choosing.Unlock()
	if h.choice == nil {
		h.Progress.Phase(name, "does KVM run this kernel?")
		choice := machine.ChooseAccel(ctx, cfg, h.version, h.Cache)
		if choice.Accel == machine.TCG {
			h.Progress.Note("emulation, single-threaded: " + choice.Reason)
		}
		h.choice = &choice
	}
	return *h.choice
}

// Warnings are what is not as it should be with this machine, and fails nothing: that KVM
// was tried, or is expected, and machines were emulated nevertheless.
func (h *Host) Warnings() []problem.Problem {
	h.choosing.Lock()
	defer h.choosing.Unlock()
	if h.choice == nil || h.choice.Accel != machine.TCG {
		return nil
	}
	_, err := os.Stat("/dev/kvm")
	switch {
	case h.ExpectKVM:
		return []problem.Problem{problem.New(problem.KVM, "", "was expected, and machines were emulated: %s", h.choice.Reason)}
	case err == nil:
		return []problem.Problem{problem.New(problem.KVM, "", "is there, and machines were emulated: %s", h.choice.Reason)}
	}
	return nil
}

// keepChoice remembers the accelerator: a machine has booted with it.
func (h *Host) keepChoice() {
	h.choosing.Lock()
	defer h.choosing.Unlock()
	if h.choice != nil {
		h.choice.Keep()
	}
}

// ProveKVM reports whether a kernel runs under KVM here, and why not. It boots the newest
// kernel unless the result is known.
func (h *Host) ProveKVM(ctx context.Context) (machine.Choice, error) {
	if !machine.MayUseKVM(h.version, h.Cache) {
		return machine.ChooseAccel(ctx, machine.Config{}, h.version, h.Cache), nil // it is known
	}
	refs, err := h.Resolve(ctx, "latest")
	if err != nil {
		return machine.Choice{}, err
	}
	bundle, err := h.Fetch(ctx, refs[0], false)
	if err != nil {
		return machine.Choice{}, err
	}
	temp, err := os.MkdirTemp("", "ringtwin-kvm-")
	if err != nil {
		return machine.Choice{}, err
	}
	defer os.RemoveAll(temp)
	archive, err := h.Initramfs()
	if err != nil {
		return machine.Choice{}, err
	}
	cfg := machine.Config{QEMU: h.QEMU, Kernel: bundle.Image, Initramfs: archive, Console: filepath.Join(temp, "console.log")}.Defaults()
	return machine.ChooseAccel(ctx, cfg, h.version, h.Cache), nil
}

// Words splits a list of kernels at commas and spaces.
func Words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' })
}
