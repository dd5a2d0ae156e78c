// SPDX-License-Identifier: MIT

package sourcetest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContributing: each file and each table that CONTRIBUTING.md names is there.
func TestContributing(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := ""
	found := 0
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(text), -1) {
		word := m[1]
		switch {
		case strings.Contains(word, "/") && !strings.Contains(word, " "):
			found++
			file = filepath.Join(root, word)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", word, err)
			}
		case regexp.MustCompile(`^[a-z]+$`).MatchString(word) && strings.HasSuffix(file, ".go"):
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`(?m)^(var|func) ` + word + `\b`).Match(source) {
				t.Errorf("%s has no %s", file, word)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d files are named", found)
	}
}
