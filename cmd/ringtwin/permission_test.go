// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/bpf"
	"golang.org/x/sys/unix"
)

// TestPermissions: a tracer that was refused says what it lacks, and not what it has.
func TestPermissions(t *testing.T) {
	caps := func(all ...int) (set bpf.Caps) {
		for _, c := range all {
			set |= 1 << c
		}
		return set
	}
	both := caps(unix.CAP_BPF, unix.CAP_PERFMON)
	refused := fmt.Errorf("attach: %w", unix.EACCES)
	for name, test := range map[string]struct {
		have permissions
		err  error
		says string
		not  string
	}{
		"a user":                       {permissions{paranoid: 3}, refused, "needs root, or CAP_BPF and CAP_PERFMON", "paranoid"},
		"one of two":                   {permissions{caps: caps(unix.CAP_BPF), paranoid: 3}, refused, "needs root, or CAP_BPF and CAP_PERFMON", "paranoid"},
		"both, on Debian":              {permissions{caps: both, paranoid: 3}, refused, "CAP_BPF and CAP_PERFMON are there, and kernel.perf_event_paranoid=3", "needs root"},
		"both, on Ubuntu":              {permissions{caps: both, paranoid: 4}, refused, "kernel.perf_event_paranoid=4", "needs root"},
		"both, and another reason":     {permissions{caps: both, paranoid: 2}, refused, "attach: permission denied", "needs root"},
		"all":                          {permissions{caps: caps(unix.CAP_SYS_ADMIN), paranoid: 3}, refused, "attach: permission denied", "paranoid"},
		"root":                         {permissions{root: true}, refused, "attach: permission denied", "needs root"},
		"root without":                 {permissions{root: true, caps: both, paranoid: 3}, refused, "kernel.perf_event_paranoid=3", "needs root"},
		"the limit of locked memory":   {permissions{caps: both, paranoid: 3}, fmt.Errorf("load: %w", &bpf.MemlockError{LimitBytes: 65536, Release: "5.10.1"}), "RLIMIT_MEMLOCK is 65536 bytes", "paranoid"},
		"a kernel that is locked down": {permissions{}, &bpf.LockdownError{Mode: "confidentiality", Err: refused}, "locked down (confidentiality)", "needs root"},
		"no refusal":                   {permissions{}, errors.New("another"), "another", "root"},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.have.explain(test.err).Error()
			if !strings.Contains(got, test.says) || strings.Contains(got, test.not) {
				t.Errorf("%q, want %q and not %q", got, test.says, test.not)
			}
		})
	}
	if err := (permissions{}).explain(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}
