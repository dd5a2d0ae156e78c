// SPDX-License-Identifier: MIT

package docs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// TestWords: pages that explain words of the program explain all of them.
func TestWords(t *testing.T) {
	has := func(page, word string) {
		t.Helper()
		if !strings.Contains(read(t, page), "| `"+word+"`") {
			t.Errorf("%s does not explain %s", page, word)
		}
	}
	for _, s := range record.Statuses() {
		has("output.md", string(s))
	}
	mentions := func(page, word string) {
		t.Helper()
		if !strings.Contains(read(t, page), "`"+word+"`") {
			t.Errorf("%s does not explain %s", page, word)
		}
	}
	inPlans := func(word string) { t.Helper(); mentions("plans.md", word) }
	for _, p := range vocab.Placements() {
		inPlans(string(p))
	}
	for _, w := range vocab.Workloads() {
		inPlans(string(w))
	}
	for _, k := range vocab.Faults() {
		inPlans(string(k) + "=N")
	}
	for _, a := range vocab.Attaches() {
		has("hello.md", string(a))
	}
	for _, v := range []verdict.Verdict{verdict.Trivial, verdict.Equivalent, verdict.Inconclusive, verdict.NoVerdict} {
		has("verdicts.md", string(v))
		mentions(filepath.Join(root, "README.md"), string(v))
	}
	for _, v := range []facts.Verdict{facts.Holds, facts.Fails, facts.NotSupported} {
		has("facts.md", string(v))
	}
}
