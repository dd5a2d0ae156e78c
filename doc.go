// SPDX-License-Identifier: MIT

// Package ringtwin measures and decides on many kernels, in the virtual machines of
// package vmtest. Package harness does so on one kernel.
//
// A [Campaign] measures a plan on kernels, and [Native] on the running one. A [Decider]
// runs the experiments behind statements, [SelftestIn] verifies the measurements, [Test]
// runs the tests of Go packages, and [Trace] records a tracer's system calls. The command
// ringtwin is flags around these.
//
// A program that uses the package is its own guest: it calls [Init] first in main.
package ringtwin

import (
	"strings"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/guest"
)

// Init must be called first in main. It does not return if the process is PID 1 of a
// virtual machine, where it serves the host's requests, or a child of an experiment.
func Init() {
	if guest.IsInit() {
		guest.Main(session.Handle)
	}
	facts.Loader()
}

// firstLine is an error in a line.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
