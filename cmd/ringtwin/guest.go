// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/guest"
)

// guestCmd is the guest where it is not PID 1: virtme-ng's init runs it.
type guestCmd struct{}

// Run returns when the host sends exit, or hangs up.
func (guestCmd) Run() error { return guest.Serve(session.Handle) }
