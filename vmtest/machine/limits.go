// SPDX-License-Identifier: MIT

package machine

import (
	"time"

	"github.com/ringtwin/ringtwin/internal/patience"
)

// Limits are time limits for each phase of a machine. When one expires, the kernel is
// probed, its log is kept and the machine is ended. The limit of a request is added to
// the time that the request itself takes.
//
// They are for a busy host, and far above the usual duration of a phase: see
// docs/machines.md and docs/measured.md.
type Limits struct {
	Boot     time.Duration // from the start of QEMU until ready
	Restore  time.Duration // until a machine that is restored is ready
	Request  time.Duration // until a request is answered
	Liveness time.Duration // until a kernel that was silent answers a sysrq
	Stop     time.Duration // until the guest has switched itself off
	Monitor  time.Duration // until QEMU has done what its monitor was told
	End      time.Duration // from when QEMU closes its files until it has ended
}

// LimitsOf returns the limits of a machine: emulation takes about ten times as long as
// KVM, and gets three times as long at least. Patience multiplies all of them.
func LimitsOf(c Config) Limits {
	l := c.backend().limits(limitsOf(c.Accel))
	for _, limit := range []*time.Duration{&l.Boot, &l.Restore, &l.Request, &l.Liveness, &l.Stop, &l.Monitor, &l.End} {
		*limit = patience.Of(*limit)
	}
	return l
}

func limitsOf(accel Accel) Limits {
	if accel == KVM {
		return Limits{
			Boot: 20 * time.Second, Restore: 5 * time.Second, Request: 20 * time.Second,
			Liveness: 2 * time.Second, Stop: 3 * time.Second, Monitor: 10 * time.Second, End: time.Second,
		}
	}
	return Limits{
		Boot: 60 * time.Second, Restore: 20 * time.Second, Request: 60 * time.Second,
		Liveness: 5 * time.Second, Stop: 10 * time.Second, Monitor: 30 * time.Second, End: time.Second,
	}
}

// With returns the limits with these, where they are not zero.
func (l Limits) With(boot, request time.Duration) Limits {
	if boot > 0 {
		l.Boot = boot
		l.Restore = min(l.Restore, boot)
	}
	if request > 0 {
		l.Request = request
	}
	return l
}
