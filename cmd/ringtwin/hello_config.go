// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/ringtwin/ringtwin/harness/hello"
)

// setCmd changes messages through the pinned map.
type setCmd struct {
	Message []string `arg:"" help:"Message for a user, at most 12 bytes." placeholder:"UID=TEXT"`
	Pin     string   `default:"${pin}" help:"Path of the tracer's pinned messages. Default: ${default}." placeholder:"PATH"`
}

// Run changes them one by one. The user's next program gets the new message.
func (s *setCmd) Run() error {
	messages, err := hello.ParseMessages(s.Message)
	if err != nil {
		return usageError{err}
	}
	return explainPin(hello.SetMessages(s.Pin, messages))
}

// dumpCmd prints the pinned map.
type dumpCmd struct {
	Pin    string `default:"${pin}" help:"Path of a pinned map, of a tracer or any other. Default: ${default}." placeholder:"PATH"`
	JSON   bool   `name:"json" xor:"format" help:"Print JSON in one line, with the bytes, like bpftool -j."`
	Pretty bool   `xor:"format" help:"Print JSON with line breaks, like bpftool -p."`
}

// Run prints all elements.
func (d *dumpCmd) Run(e *env) error {
	return explainPin(hello.Dump(e.stdout, d.Pin, d.JSON, d.Pretty))
}

// explainPin reports what to do if there is no pinned map.
func explainPin(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: no tracer has its messages there; start one with: ringtwin hello", err)
	}
	return ownPermissions().explain(err)
}
