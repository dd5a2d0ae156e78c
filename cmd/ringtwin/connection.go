// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// connection is a machine that measures. Its kernel's complaints count against
// everything that is measured after them: what a broken kernel does is no
// measurement, even if the guest goes on.
type connection struct {
	*machine.Machine
	allowed console.Allowed
	worst   *splatError // of this boot, until now
	charged bool        // a trial has it as its status
}

// splatError is a complaint of the kernel on its console.
type splatError struct{ console.Event }

func (e *splatError) Error() string {
	return fmt.Sprintf("%s: %s (line %d of the console)", e.Kind, e.Line, e.At)
}

// look reads what is new on the console.
func (c *connection) look() error {
	events, err := c.Complaints()
	if err != nil {
		return err
	}
	if worst, ok := console.Worst(c.allowed.Filter(events)); ok && c.worst == nil {
		c.worst = &splatError{worst}
	}
	return nil
}

// check makes a trial a splat if the kernel has complained since it was booted:
// one that was measured, and one that failed, for the complaint explains more.
func (c *connection) check(t *record.Trial) error {
	if err := c.look(); err != nil {
		return err
	}
	if c.worst == nil || t.Status != record.OK && t.Status != record.Failed {
		return nil
	}
	reason := c.worst.Error()
	if t.Reason != "" {
		reason += "; then: " + t.Reason
	}
	t.Status, t.Reason = record.Splat, reason
	c.charged = true
	return nil
}

// Close switches the machine off. A complaint that no trial was charged with,
// because it came before the first or after the last, is an error.
func (c *connection) Close() error {
	err := c.Stop()
	if lookErr := c.look(); lookErr != nil {
		err = errors.Join(err, lookErr)
	}
	return errors.Join(err, c.uncharged())
}

// uncharged is a complaint that no trial was charged with, or nil.
func (c *connection) uncharged() error {
	if c.worst != nil && !c.charged {
		return c.worst
	}
	return nil
}
