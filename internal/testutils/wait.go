// SPDX-License-Identifier: MIT

// Package testutils is shared by the tests of several packages: waiting for events, and
// requirements.
//
// A test waits for events and not for time. It must pass at any speed and load of the
// machine: see [Limit].
//
// A test states its requirements. If one is missing, the test is skipped and reports it;
// in CI, where nothing may be missing, it fails. With -short every test that requires
// root, QEMU or a network is skipped, in CI too: that was requested.
package testutils

import (
	"os"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/patience"
)

// Limit ends a test that hangs, and nothing else: no test passes or fails by how much of
// it was used. It is some hundred times the duration of any awaited event on an idle
// machine.
const Limit = 5 * time.Minute

// Patience extends the limits of what a test starts, in this process and in its children,
// as generously. TestMain calls it.
func Patience() {
	if err := os.Setenv(patience.Variable, "20"); err != nil {
		panic(err) // of a name that is none
	}
}

// poll is how often [WaitFor] looks.
const poll = 5 * time.Millisecond

// WaitFor returns when a condition is true, and fails the test if it stays false. what
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
