// SPDX-License-Identifier: MIT

// Package trace records the system calls of an event tracer until it waits for the first
// event: bpf(2) with decoded attributes, keys and values, perf events, mappings and
// epoll, in order.
//
// It decodes the calls of any program.
package trace

import (
	"context"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/ptrace"
)

// Kernel is the traces of one kernel, with different numbers of CPUs.
type Kernel struct {
	Name   string   `json:"kernel"` // as requested
	Traces []Trace  `json:"traces"`
	Growth []Growth `json:"growth,omitempty"`
}

// Trace is the calls of a tracer over each transport, on one kernel with a number of
// CPUs.
type Trace struct {
	Release   string     `json:"release"` // of uname(2)
	CPUs      int        `json:"cpus"`
	Attach    string     `json:"attach,omitempty"`
	Sequences []Sequence `json:"sequences,omitempty"`
	// Attachments replace Sequences, if requested.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Virtual means that a nanosecond is an instruction.
	Virtual bool `json:"virtual,omitempty"`
}

// Sequence is its calls over one transport.
type Sequence struct {
	Transport string `json:"transport"`
	// Calls are in the order in which they were made, except for maps: the library makes
	// them in random order, and here they are sorted by name.
	Calls []Call `json:"calls"`
}

// Call is one system call. An object is named by its role, as in <config>: its descriptor
// differs in each run.
type Call struct {
	Name string `json:"name"`
	// Command is that of bpf(2), ioctl(2) and epoll_ctl(2).
	Command string `json:"command,omitempty"`
	Args    []Arg  `json:"args"` // those that are not 0
	// Result is an object, 0, the name of an errno, or "waits".
	Result string `json:"result"`
	// Probe means that the call has no lasting effect: it failed, or its object was
	// closed unused. Libraries detect features of the kernel by such calls.
	Probe bool `json:"probe,omitempty"`
}

// Arg is an argument, or an attribute, by its name in the kernel's header.
type Arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// What names a kind of call, to count it.
func (c *Call) What() string { return strings.TrimSpace(c.Name + " " + c.Command) }

// String is the call in C notation.
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

// EndedError reports that a program ended too early, or unsuccessfully, with its output.
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
