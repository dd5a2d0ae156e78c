// SPDX-License-Identifier: MIT

package workflows

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/testkernels"
)

// annotations are the commands that GitHub shows beside a run.
var annotations = []string{"error", "warning", "notice"}

// check compares what a person sees of a run with a golden file.
func (l *log) check(t *testing.T, name string) {
	t.Helper()
	var b strings.Builder
	for _, job := range slices.Sorted(maps.Keys(l.jobs)) {
		fmt.Fprintf(&b, "== %s: %s\n", job, l.jobs[job])
		for _, text := range l.annotations(job) {
			fmt.Fprintln(&b, text)
		}
		for _, summary := range l.summaries(job) {
			for _, line := range head(summary) {
				fmt.Fprintln(&b, "summary: "+line)
			}
		}
	}
	golden.Check(t, filepath.Join("testdata", "golden", name+".txt"), normal(t, b.String()))
}

// head is the first line of a summary, which says what is wrong, and the list of what else
// is.
func head(summary string) []string {
	var all []string
	for line := range strings.Lines(strings.TrimSpace(summary)) {
		line = strings.TrimSpace(line)
		isFirst := len(all) == 0
		if line == "" {
			continue
		}
		if !isFirst && !strings.HasPrefix(line, "- ") {
			break
		}
		all = append(all, line)
		if isFirst && strings.HasPrefix(line, "#") { // nothing is wrong
			break
		}
	}
	return all
}

// annotations are those of a job, in their order.
func (l *log) annotations(job string) (all []string) {
	for _, line := range l.lines {
		if line.name() == job && slices.Contains(annotations, line.Command) {
			all = append(all, fmt.Sprintf("%s: %s: %s", line.Command, line.Arguments["title"], line.Argument))
		}
	}
	return all
}

// summaries are those of a job's steps. act repeats that of an action's last step for the
// action.
func (l *log) summaries(job string) (all []string) {
	for _, line := range l.lines {
		if line.name() == job && line.Command == "summary" && !slices.Contains(all, line.Content) {
			all = append(all, line.Content)
		}
	}
	return all
}

// unstable are parts of a text that another run, or another archive, does not have.
var unstable = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`not found in apt .*?(\n|\*\*)`), "not found in apt ...$1"}, // and in which other sources
	{regexp.MustCompile(`machines were emulated: [^*\n]*`), "machines were emulated: ..."},
	{regexp.MustCompile(`A [\d.]+ in A, B [\d.]+ in B, that is \+[\d.]+ %(?:, at least \+[\d.]+ %)?`), "A ... in A, B ... in B, that is +... %"},
	{regexp.MustCompile(`/tmp/[^ ,;:)\]]*`), "TEMP"},
	{regexp.MustCompile(`\b\d{8}-\d{6}(?:-\d+)?\b`), "RUN"},
	{regexp.MustCompile(`\b\d+\.\d+\.\d+[\w.+~-]*-amd64\b`), "RELEASE"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
}

// normal replaces what is not the same in every run, and the kernels by their roles.
func normal(t *testing.T, text string) string {
	t.Helper()
	for _, u := range unstable {
		text = u.pattern.ReplaceAllString(text, u.with)
	}
	names, err := testkernels.All(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		kernel := regexp.MustCompile(`(^|[^\d.])` + regexp.QuoteMeta(names[role]) + `([^\d.]|\.?$|\.\D)`)
		for previous := ""; previous != text; { // a separator between two belongs to both
			previous = text
			text = kernel.ReplaceAllString(text, "${1}"+string(role)+"${2}")
		}
	}
	return text
}
