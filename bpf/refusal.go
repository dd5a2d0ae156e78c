// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// LockdownError is a refusal by a kernel that is locked down, whatever else it says.
type LockdownError struct {
	Mode string // confidentiality
	Err  error
}

// Reason is why the kernel refused.
func (e *LockdownError) Reason() string {
	return fmt.Sprintf("the kernel is locked down (%s), and lets no BPF program read its memory", e.Mode)
}

func (e *LockdownError) Error() string { return e.Reason() + ": " + e.Err.Error() }

// Unwrap returns what the kernel said.
func (e *LockdownError) Unwrap() error { return e.Err }

// MemlockError is a map or a program over the limit of locked memory, to which kernels
// before 5.11 count them.
type MemlockError struct {
	LimitBytes uint64
	Release    string
}

func (e *MemlockError) Error() string {
	return fmt.Sprintf("RLIMIT_MEMLOCK is %d bytes, and Linux %s, as all before 5.11, counts maps and programs against it: ulimit -l unlimited, or CAP_SYS_RESOURCE", e.LimitBytes, e.Release)
}

// Unwrap returns the error of bpf(2).
func (e *MemlockError) Unwrap() error { return unix.EPERM }

// refusal returns the reason of an error that is not the program's fault, if there is one.
func refusal(err error) error {
	verified := errors.As(err, new(*ebpf.VerifierError))
	if !verified && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	if mode := lockdown(); mode != "" {
		return &LockdownError{mode, err}
	}
	if limit, release, counts := memlockLimit(); counts && !verified && errors.Is(err, unix.EPERM) && mayUseBPF() {
		return &MemlockError{limit, release}
	}
	return err
}

// lockdown is how the kernel is locked down, if programs may not read its memory then, or
// "": LOCKDOWN_BPF_READ_KERNEL is a reason of confidentiality. Integrity forbids programs
// to write to a user's memory, which the twins do not.
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/security.h
func lockdown() string {
	text, err := readDetached("securityfs", "lockdown")
	if err != nil {
		return "" // not configured
	}
	if mode := lockdownMode(text); mode == "confidentiality" {
		return mode
	}
	return ""
}

// lockdownMode is the one in brackets of "none [integrity] confidentiality", or "".
func lockdownMode(text string) string {
	_, mode, _ := strings.Cut(text, "[")
	if mode, _, _ = strings.Cut(mode, "]"); mode == "none" {
		return ""
	}
	return mode
}

// memlockLimit returns the limit of locked memory, and whether this kernel counts maps and
// programs against it.
func memlockLimit() (limitBytes uint64, release string, counts bool) {
	var limit unix.Rlimit
	var uts unix.Utsname
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) != nil || unix.Uname(&uts) != nil {
		return 0, "", false
	}
	release = unix.ByteSliceToString(uts.Release[:])
	return limit.Cur, release, limit.Cur != unix.RLIM_INFINITY && countsMemlock(release)
}

// countsMemlock reports whether a release is before 5.11, which charges the memory cgroup
// instead. https://git.kernel.org/torvalds/c/755e5d55367a
func countsMemlock(release string) bool {
	var major, minor int
	if n, err := fmt.Sscanf(release, "%d.%d", &major, &minor); n != 2 || err != nil {
		return false
	}
	return major < 5 || major == 5 && minor < 11
}

// mayUseBPF reports whether this thread has CAP_BPF or CAP_SYS_ADMIN.
func mayUseBPF() bool {
	caps, err := Capabilities()
	return err == nil && (caps.Has(unix.CAP_BPF) || caps.Has(unix.CAP_SYS_ADMIN))
}

// Caps is a set of capabilities.
type Caps uint64

// Has reports whether a capability, as unix.CAP_BPF, is in the set.
func (c Caps) Has(capability int) bool { return c>>capability&1 == 1 }

// Capabilities are the effective ones of this thread.
func Capabilities() (Caps, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	return Caps(data[1].Effective)<<32 | Caps(data[0].Effective), nil
}
