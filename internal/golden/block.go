// SPDX-License-Identifier: MIT

package golden

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lines around a block of a page that is generated.
const (
	blockStart = "<!-- generated: "
	blockEnd   = "<!-- end -->"
)

// Block fails the test unless the page has a block of that name, and it holds just what
// the test got:
//
//	<!-- generated: NAME -->
//	content
//	<!-- end -->
func Block(t testing.TB, path, name, got string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	start, end, ok := findBlock(string(text), name)
	if !ok {
		t.Fatalf("%s has no block %q that ends", path, name)
	}
	got = strings.TrimRight(got, "\n") + "\n"
	if want := string(text[start:end]); want != got && !*update {
		t.Errorf("%s, block %s (-want +got), -update writes it anew:\n%s", path, name, cmp.Diff(want, got))
	} else if want != got {
		if err := os.WriteFile(path, []byte(string(text[:start])+got+string(text[end:])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// findBlock returns where the content of a block begins and ends.
func findBlock(text, name string) (start, end int, ok bool) {
	head := blockStart + name + " -->\n"
	start = strings.Index(text, head)
	if start < 0 {
		return 0, 0, false
	}
	start += len(head)
	length := strings.Index(text[start:], blockEnd)
	return start, start + length, length >= 0 && !strings.Contains(text[start:start+length], blockStart)
}

// BlockNames are the names of the blocks in a page.
func BlockNames(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, blockStart); ok {
			names = append(names, strings.TrimSuffix(rest, " -->\n"))
		}
	}
	return names
}
