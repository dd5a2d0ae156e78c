// SPDX-License-Identifier: MIT

// Package transcript runs the commands of a document and compares what they print
// with what the document says they do.
//
// Commands are the lines that begin with "$ " in fenced blocks of the language
// console; what follows, to the next command, is the output, standard error
// included. All blocks of a document are one session of a shell, so that a variable,
// a file or a background job of one is there in the next. In an output
//
//	…      within a line stands for any text without a newline, and
//	…      alone on a line for any number of lines, none included.
package transcript

import (
	"bufio"
	"fmt"
	"regexp"
	"strings"
)

// Step is a command and what it should print.
type Step struct {
	Line    int // of the document, from 1
	Command string
	Want    string // each line with its newline
}

// wildcard is what stands for any text.
const wildcard = "…"

// Parse returns the steps of a document in Markdown. It is an error if a block is
// not closed, or says something before its first command.
func Parse(text string) ([]Step, error) {
	var steps []Step
	var inside, other bool // of a block that is ours, of another one
	begun := 0             // steps before this block
	line := 0
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		line++
		got := in.Text()
		switch {
		case inside && got == "```":
			inside = false
		case other:
			other = !strings.HasPrefix(got, "```")
		case got == "```console":
			inside, begun = true, len(steps)
		case !inside:
			other = strings.HasPrefix(got, "```")
		case strings.HasPrefix(got, "$ "):
			steps = append(steps, Step{Line: line, Command: got[2:]})
		case len(steps) > begun && continues(steps[len(steps)-1]):
			steps[len(steps)-1].Command += "\n" + strings.TrimPrefix(got, "> ")
		case len(steps) > begun:
			steps[len(steps)-1].Want += got + "\n"
		default:
			return nil, fmt.Errorf("line %d: %q is before the block's first command", line, got)
		}
	}
	if inside || other {
		return nil, fmt.Errorf("line %d: a block is not closed", line)
	}
	return steps, nil
}

// continues reports whether the next line is still the command.
func continues(s Step) bool { return s.Want == "" && strings.HasSuffix(s.Command, `\`) }

// Matches reports whether got is what the step should print.
func (s *Step) Matches(got string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(s.Want) {
		if strings.TrimSpace(line) == wildcard {
			pattern.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		for i, part := range strings.Split(line, wildcard) {
			if i > 0 {
				pattern.WriteString(`[^\n]*`)
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String()).MatchString(got)
}
