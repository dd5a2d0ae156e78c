// SPDX-License-Identifier: MIT

// Package transcript runs the commands of a document and compares their output with
// what the document shows.
//
// Steps come from fenced blocks of three kinds. In a block of the language console,
// commands are the lines that begin with "$ "; the lines that follow, to the next
// command, are the output, standard error included. In a block of the language sh each
// line is a command, whose output is not shown and which must succeed. A block of any
// language below a line
//
//	<!-- file: NAME -->
//
// is a file that later commands find in their directory. All blocks of a document are
// one session of a shell, so that a variable, a file or a background job of one is there
// in the next. In an output
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
	// Script steps have no output to compare; they must succeed.
	Script bool
}

// wildcard is what stands for any text.
const wildcard = "…"

// Where a line of a document is.
const (
	prose = iota
	console
	script
	file
	other
)

// Parse returns the steps of a document in Markdown. It is an error if a block is
// not closed, or has a line before its first command.
func Parse(text string) ([]Step, error) {
	var steps []Step
	where, begun := prose, 0 // steps before this block
	name := ""               // of the file that is the next block
	line := 0
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		line++
		got := in.Text()
		last := len(steps) - 1
		switch {
		case where == prose && strings.HasPrefix(got, "```"):
			where, begun = blocks[got], len(steps)
			if where == prose {
				where = other
			}
			if name != "" {
				where = file
				steps = append(steps, Step{Line: line, Command: "cat >" + name + " <<'" + endOfFile + "'", Script: true})
			}
			name = ""
		case where == prose:
			name = ""
			if rest, ok := strings.CutPrefix(got, "<!-- file: "); ok {
				name = strings.TrimSuffix(rest, " -->")
			}
		case got == "```":
			if where == file {
				steps[last].Command += "\n" + endOfFile
			}
			where = prose
		case where == file:
			steps[last].Command += "\n" + got
		case where == other:
		case len(steps) > begun && continues(steps[last]):
			steps[last].Command += "\n" + strings.TrimPrefix(got, "> ")
		case where == script && isComment(got):
		case where == script:
			steps = append(steps, Step{Line: line, Command: got, Script: true})
		case strings.HasPrefix(got, "$ "):
			steps = append(steps, Step{Line: line, Command: got[2:]})
		case len(steps) > begun:
			steps[last].Want += got + "\n"
		default:
			return nil, fmt.Errorf("line %d: %q is before the block's first command", line, got)
		}
	}
	if where != prose {
		return nil, fmt.Errorf("line %d: a block is not closed", line)
	}
	return steps, nil
}

// blocks are the fences of blocks that have commands.
var blocks = map[string]int{"```console": console, "```sh": script}

// endOfFile ends a here-document.
const endOfFile = "END OF FILE"

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
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
