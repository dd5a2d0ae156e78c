// SPDX-License-Identifier: MIT

// Package trace finds out what a tracer of events asks of the kernel until it
// waits for the first one: bpf(2) with decoded attributes, keys and values, perf
// events, mappings and epoll, in order.
//
// It knows what the calls mean, not who makes them: any program will do.
package trace

import (
	"context"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/ptrace"
)

// Kernel is what was found on one kernel, with different numbers of CPUs.
type Kernel struct {
	Name   string   `json:"kernel"` // as it was asked for
	Traces []Trace  `json:"traces"`
	Growth []Growth `json:"growth,omitempty"`
}

// Trace is what a tracer asked over each transport, on one kernel with a number
// of CPUs.
type Trace struct {
	Release   string     `json:"release"` // of uname(2)
	CPUs      int        `json:"cpus"`
	Attach    string     `json:"attach,omitempty"`
	Sequences []Sequence `json:"sequences,omitempty"`
	// Attachments are there instead, if they were asked for.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Virtual says that a nanosecond is an instruction.
	Virtual bool `json:"virtual,omitempty"`
}

// Sequence is what it asked over one transport.
type Sequence struct {
	Transport string `json:"transport"`
	// Calls are in the order in which they were made, but for the maps: the
	// library makes them in any, and here they are ordered by name.
	Calls []Call `json:"calls"`
}

// Call is one system call. An object is named by what it is, as in <config>: its
// descriptor is another number in each run.
type Call struct {
	Name string `json:"name"`
	// Command is that of bpf(2), ioctl(2) and epoll_ctl(2).
	Command string `json:"command,omitempty"`
	Args    []Arg  `json:"args"` // those that are not 0
	// Result is an object, 0, the name of an errno, or "waits".
	Result string `json:"result"`
	// Probe says that nothing of it is left: it failed, or what it made was closed
	// unused. So a library finds out what a kernel can do.
	Probe bool `json:"probe,omitempty"`
}

// Arg is an argument, or an attribute, by its name in the kernel's header.
type Arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// What names a kind of call, to count it.
func (c *Call) What() string { return strings.TrimSpace(c.Name + " " + c.Command) }

// String is the call as one writes it.
func (c *Call) String() string {
	var args []string
	if c.Command != "" {
		args = append(args, c.Command)
	}
	for _, arg := range c.Args {
		args = append(args, arg.Name+"="+arg.Value)
	}
	return fmt.Sprintf("%s(%s) = %s", c.Name, strings.Join(args, ", "), c.Result)
}

// EndedError says that a program ended too early, or not well, and what it said.
type EndedError struct {
	Code int // its exit code
	Said string
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("the tracer ended with exit code %d: %s", e.Code, e.Said)
}

// Take runs a program, the path first, and watches it until it waits for events
// of the kernel; then it is interrupted, and must end with exit code 0. Otherwise
// the error is an [EndedError].
func Take(ctx context.Context, program []string) ([]Call, error) {
	d := newDecoder()
	stderr, code, err := ptrace.Run(ctx, program, d)
	if err != nil {
		return nil, err
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode system calls: %w", d.err)
	}
	if !d.waits || code != 0 {
		return nil, &EndedError{code, strings.TrimSpace(stderr)}
	}
	return d.sequence(), nil
}
