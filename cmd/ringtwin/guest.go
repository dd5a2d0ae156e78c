// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/guest"
)

// guestCmd is what virtme-ng's init runs: the guest, where it is not PID 1.
type guestCmd struct{}

// Run returns when the host says exit, or hangs up.
func (guestCmd) Run() error { return guest.Serve(session.Handle) }
