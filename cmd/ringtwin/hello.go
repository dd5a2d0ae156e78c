// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin/harness/hello"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// helloCmd is the book's live tracer, and the commands to control a running one.
type helloCmd struct {
	Trace traceCmd `cmd:"" default:"withargs" help:"Trace every execve on this kernel, over either transport, until Ctrl-C. This is the default command."`
	Set   setCmd   `cmd:"" help:"Change the messages of a running tracer."`
	Dump  dumpCmd  `cmd:"" help:"Print the messages of a running tracer in the format of bpftool map dump."`
}

// traceCmd is the tracer.
type traceCmd struct {
	Transport string   `default:"ringbuf" enum:"perf,ringbuf" help:"Transport of events: ${enum}. Default: ${default}."`
	Message   []string `help:"Message for a user, at most 12 bytes. Repeatable. Default: 0=Hey root! and 501=Hi user 501!" placeholder:"UID=TEXT" sep:"none"`
	Attach    string   `default:"auto" enum:"${attaches}" help:"Attach point for execve: ${enum}. Default: ${default}."`
	Pin       string   `default:"${pin}" help:"Path at which the map of messages is pinned while the tracer runs; empty: not pinned. Default: ${default}, if there is a BPF file system." placeholder:"PATH"`
}

// Run prints a line for every execve until the context ends.
func (h *traceCmd) Run(e *env) (err error) {
	messages := trial.Messages()
	if len(h.Message) > 0 {
		if messages, err = hello.ParseMessages(h.Message); err != nil {
			return usageError{err}
		}
	}
	tracer := hello.Tracer{Transport: vocab.Transport(h.Transport), Attach: vocab.Attach(h.Attach), Messages: messages, Pin: h.Pin}
	return ownPermissions().explain(tracer.Run(e.ctx, e.stdout, e.stderr))
}
