// SPDX-License-Identifier: MIT

package main

import "github.com/ringtwin/ringtwin/internal/completion"

// completionCmd completes command lines in a shell.
type completionCmd struct {
	Shell string `arg:"" enum:"${shells}" help:"Shell: ${enum}."`
}

// Run writes the script.
func (c *completionCmd) Run(e *env) error {
	return completion.Write(e.stdout, c.Shell, newParser(e.stdout, e.stderr, nil).Model)
}
