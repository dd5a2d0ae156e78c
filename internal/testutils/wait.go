// SPDX-License-Identifier: MIT

// Package testutils is what tests of several packages share: waiting for events, and
// requirements.
//
// A test waits for what happens and not for time. How fast or how busy the machine is
// must not decide whether it passes: see [Limit].
//
// A test states what it requires. Where that is missing the test is skipped and says
// so; in CI, where nothing may be missing, it fails. With -short all that requires
// root, QEMU or a network is skipped, in CI too: it is asked for.
package testutils

import (
	"os"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/patience"
)

// Limit ends a test that hangs, and nothing else: no test passes or fails by how much
// of it was used. It is some hundred times what anything that is waited for takes on
// an idle machine.
const Limit = 5 * time.Minute

// Patience makes the limits of what a test starts as generous, in this process
// and in those that it starts. It is called by TestMain.
func Patience() {
	if err := os.Setenv(patience.Variable, "20"); err != nil {
		panic(err) // of a name that is none
	}
}

// poll is how often [WaitFor] looks.
const poll = 5 * time.Millisecond

// WaitFor returns when something is so, and fails the test if that does not come. what
// completes "waited for".
func WaitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Limit); !so(); time.Sleep(poll) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", Limit, what)
		}
	}
}

// Await returns what a channel gives, or its zero value when it is closed, and fails
// the test if neither comes.
func Await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Limit):
		t.Fatalf("waited %s for %s", Limit, what)
		panic("unreachable")
	}
}
