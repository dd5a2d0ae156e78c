// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/bpf"
	"golang.org/x/sys/unix"
)

// permissions are what a tracer may do.
type permissions struct {
	root     bool
	caps     bpf.Caps
	paranoid int // kernel.perf_event_paranoid
}

func ownPermissions() permissions {
	p := permissions{root: os.Geteuid() == 0}
	p.caps, _ = bpf.Capabilities() // none: the advice is the general one
	if text, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid"); err == nil {
		p.paranoid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	return p
}

// elsewhere is what needs no permission here.
const elsewhere = "in a throwaway machine it needs neither, as in: ringtwin syscalls 6.1"

// explain reports the required permission, and an alternative, of a tracer that was refused.
// For one that has all of them the error has another reason.
func (p permissions) explain(err error) error {
	var limit *bpf.MemlockError
	var locked *bpf.LockdownError
	switch {
	case err == nil || errors.As(err, &limit) || errors.As(err, &locked):
		return err
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || p.caps.Has(unix.CAP_SYS_ADMIN):
		return err
	case p.caps.Has(unix.CAP_BPF) && p.caps.Has(unix.CAP_PERFMON):
		// Debian's and Ubuntu's kernels have levels that the kernel's own do not: CAP_PERFMON
		// is not enough.
		if p.paranoid > 2 {
			return fmt.Errorf("CAP_BPF and CAP_PERFMON are there, and kernel.perf_event_paranoid=%d refuses perf events to all but CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2, or sudo: %w", p.paranoid, err)
		}
		return err
	case p.root:
		return err
	}
	return errors.New("tracing on this kernel needs root, or CAP_BPF and CAP_PERFMON: try sudo; " + elsewhere)
}
