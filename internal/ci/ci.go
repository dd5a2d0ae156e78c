// SPDX-License-Identifier: MIT

// Package ci tells a CI how a command went: annotations and groups in its log, a summary
// in Markdown, and variables for the steps that follow.
//
// The commands in a log are those of GitHub Actions:
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
package ci

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ringtwin/ringtwin/internal/markdown"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// UnderActions reports whether this process is a step of GitHub Actions, or of a runner
// that understands the same commands.
func UnderActions() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// mostAnnotations is how many annotations of a level GitHub shows of a step:
// https://docs.github.com/en/rest/checks/runs
const mostAnnotations = 10

// Annotate writes an annotation for each problem, the worst first. The problems are
// sorted. The last of too many says how many are left out.
func Annotate(w io.Writer, problems []problem.Problem) error {
	errors := problem.Errors(problems)
	var warnings []problem.Problem
	for _, p := range problems {
		if !p.Kind.IsError() {
			warnings = append(warnings, p)
		}
	}
	var b strings.Builder
	annotateLevel(&b, "error", errors)
	annotateLevel(&b, "warning", warnings)
	_, err := io.WriteString(w, b.String())
	return err
}

func annotateLevel(b *strings.Builder, level string, problems []problem.Problem) {
	for i, p := range problems {
		if i == mostAnnotations-1 && len(problems) > mostAnnotations {
			annotation(b, level, "ringtwin", fmt.Sprintf("%d more problems: see the summary", len(problems)-i))
			return
		}
		title := "ringtwin: " + string(p.Kind)
		if p.Kernel != "" {
			title = p.Kernel + ": " + string(p.Kind)
		}
		annotation(b, level, title, p.Text)
	}
}

func annotation(b *strings.Builder, level, title, text string) {
	fmt.Fprintf(b, "::%s title=%s::%s\n", level, properties.Replace(title), data.Replace(text))
}

// What a command's value and its properties may not have as they are:
// https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
var (
	data       = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	properties = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// Group begins a part of the log that is folded, and ends with [EndGroup].
func Group(w io.Writer, name string) { fmt.Fprintf(w, "::group::%s\n", data.Replace(name)) }

// EndGroup ends the part.
func EndGroup(w io.Writer) { fmt.Fprintln(w, "::endgroup::") }

// listBytes bounds the list of what is wrong.
const listBytes = 64 << 10

// Wrong is what a summary begins with: the worst problem as its first line, and all
// others as a list. The problems are sorted. It is empty without any.
func Wrong(problems []problem.Problem) string {
	if len(problems) == 0 {
		return ""
	}
	var b strings.Builder
	mark := "⚠️"
	if len(problem.Errors(problems)) > 0 {
		mark = "❌"
	}
	fmt.Fprintf(&b, "%s **%s**\n\n", mark, markdown.Escape(problem.Headline(problems)))
	list := &markdown.Limited{B: &b, Left: listBytes}
	for _, p := range problems[1:] {
		list.Add("- " + markdown.Escape(p.String()) + "\n")
	}
	if list.Out > 0 {
		fmt.Fprintf(&b, "- *%d more are left out here*\n", list.Out)
	}
	if len(problems) > 1 {
		b.WriteString("\n")
	}
	return b.String()
}
