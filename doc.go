// SPDX-License-Identifier: MIT

// Package ringtwin measures and decides on many kernels: what package harness does on one,
// in the virtual machines of package vmtest.
//
// A [Campaign] measures a plan on kernels, and [Native] on the running one. [Decide] makes
// the experiments behind statements, [Selftest] proves the measurer, and [Trace] shows
// what a tracer asks of kernels. The command ringtwin is flags around these.
//
// A program that uses the package is its own guest: it calls [Init] first in main.
package ringtwin

import (
	"strings"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/vmtest/guest"
)

// Init must be called first in main. Where the process is PID 1 of a virtual machine it
// serves the host's requests and does not return; nor does it in a child of an experiment.
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
