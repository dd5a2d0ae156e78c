// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/console"
)

// tailLines is how much of the console an error shows.
const tailLines = 12

// Outcome is how a machine failed, in the terms of the result format.
type Outcome string

// The outcomes.
const (
	BootFailed Outcome = "boot-failed"
	Panic      Outcome = "panic"
	Splat      Outcome = "splat" // only for a program: the machine served it to its end
	Hang       Outcome = "hang"
	Timeout    Outcome = "timeout"
	Lost       Outcome = "lost"
	Cancelled  Outcome = "cancelled"
)

// Failure is a machine that ended, or had to be ended, before it had answered.
type Failure struct {
	Outcome Outcome
	Err     error
	Tail    []string // the console's last lines
	Stderr  string   // output of QEMU or virtme-ng
	Command string   // to repeat the machine, or ""

	maker string
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Report is the error with all details that are needed to investigate it.
func (f *Failure) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v\n", f.Outcome, f.Err)
	if f.Stderr != "" {
		fmt.Fprintf(&b, "%s said:\n%s", f.maker, indent(strings.Split(strings.TrimSpace(f.Stderr), "\n")))
	}
	if len(f.Tail) > 0 {
		fmt.Fprintf(&b, "end of the console:\n%s", indent(f.Tail))
	}
	if f.Command != "" {
		fmt.Fprintf(&b, "to repeat this machine:\n  %s\n", f.Command)
	}
	return b.String()
}

func indent(lines []string) string { return "  " + strings.Join(lines, "\n  ") + "\n" }

// Splat is the failure of a machine whose kernel has complained. It is killed.
func (m *Machine) Splat(err error) *Failure {
	m.Kill()
	return &Failure{Outcome: Splat, Err: err, maker: m.backend.name()}
}

// reason is what the kernel says of its end: the cause of a panic, if it is another splat.
func reason(worst console.Event) string {
	if worst.Cause != nil {
		return worst.Root().String()
	}
	return worst.Line
}

// failure kills the machine and classifies its failure: a panic on the console explains
// more than the silence that followed.
func (m *Machine) failure(outcome Outcome, err error) error {
	m.Kill()
	f := &Failure{Outcome: outcome, Err: err, Stderr: m.stderr.String(), Command: m.repeat, maker: m.backend.name()}
	log, readErr := lastBytes(m.cfg.Console, min(m.log.size()-m.logStart, chunkBytes))
	if readErr != nil {
		f.Err = errors.Join(err, fmt.Errorf("read console: %w", readErr))
	}
	f.Tail = console.Tail(log, tailLines)
	if said := strings.TrimSpace(f.Stderr); said != "" {
		// The last line: warnings and Python's traceback come first.
		f.Err = fmt.Errorf("%w: %s", f.Err, said[strings.LastIndex(said, "\n")+1:])
	} else if len(f.Tail) == 0 && outcome == BootFailed && !errors.Is(err, errSilent) {
		f.Err = fmt.Errorf("%w, with nothing on the console", f.Err)
	}
	worst, complained, readErr := m.log.end()
	if readErr != nil {
		f.Err = errors.Join(f.Err, readErr)
	}
	if complained {
		f.Err = fmt.Errorf("%w: %s", f.Err, reason(worst))
	}
	switch {
	case errors.Is(err, context.Canceled):
		f.Outcome = Cancelled
	case worst.Kind == console.Panic && outcome != BootFailed:
		f.Outcome = Panic
	case errors.Is(err, errEnded) && outcome != BootFailed:
		f.Outcome = Lost
	}
	return f
}
