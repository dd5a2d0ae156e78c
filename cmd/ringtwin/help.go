// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/ringtwin/ringtwin/docs"
)

// helpCmd prints documentation.
type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"Topic, or command without a topic. Default: list the topics."`
}

// Run prints the page of a topic, or the --help output of a command.
func (h *helpCmd) Run(e *env) error {
	if len(h.Topic) == 0 {
		return docs.List(e.stdout)
	}
	if page, ok := docs.Page(strings.Join(h.Topic, " ")); ok {
		_, err := io.WriteString(e.stdout, page)
		return err
	}
	commands := newParser(e.stdout, e.stderr, nil).Model.Children
	if !slices.ContainsFunc(commands, func(c *kong.Node) bool { return c.Name == h.Topic[0] }) {
		return usageError{fmt.Errorf("help %s: neither a topic nor a command (ringtwin help lists the topics)", strings.Join(h.Topic, " "))}
	}
	return exitError(runCommand(e.ctx, append(h.Topic, "--help"), e.stdout, e.stderr))
}
