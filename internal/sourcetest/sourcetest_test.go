// SPDX-License-Identifier: MIT

// Package sourcetest checks the sources against rules that no linter knows: each file
// states its licence, each licence has its text, each package states its purpose.
package sourcetest

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// sources calls visit for every file that is ours, with its path from the root.
func sources(t *testing.T, visit func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, _ := filepath.Rel(root, file)
		if entry.IsDir() {
			if slices.Contains([]string{".git", "bin", "out", "dist"}, path) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil || isGenerated(text) {
			return err
		}
		visit(path, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// generated is how files say that a program wrote them: https://go.dev/s/generatedcode
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func isGenerated(text []byte) bool { return generated.Match(head(text, 5)) }

// head is the first lines of a text.
func head(text []byte, lines int) []byte {
	all := bytes.SplitAfterN(text, []byte("\n"), lines+1)
	return bytes.Join(all[:min(lines, len(all))], nil)
}

// stated is a licence, or several of which one may choose.
var stated = regexp.MustCompile(`(?m)^(?://|/\*|#) SPDX-License-Identifier: ([A-Za-z0-9.-]+(?: OR [A-Za-z0-9.-]+)*)(?: \*/)?$`)

// TestLicences: every source file states a licence, above all but what must be first, and
// LICENSES has the text of each.
func TestLicences(t *testing.T) {
	endings := []string{".go", ".c", ".h", ".S", ".s", ".sh", ".yml"}
	names := []string{"Makefile", "run"}
	seen := map[string]bool{}
	files := 0
	sources(t, func(path string, text []byte) {
		if !slices.Contains(endings, filepath.Ext(path)) && !slices.Contains(names, filepath.Base(path)) {
			return
		}
		files++
		m := stated.FindSubmatch(head(text, 4))
		if m == nil {
			t.Errorf("%s: no SPDX-License-Identifier in its first lines", path)
			return
		}
		for _, licence := range strings.Split(string(m[1]), " OR ") {
			seen[licence] = true
		}
	})
	if files < 300 {
		t.Errorf("%d source files: are these all?", files)
	}
	texts, err := filepath.Glob(filepath.Join(root, "LICENSES", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		name := strings.TrimSuffix(filepath.Base(text), ".txt")
		if !seen[name] {
			t.Errorf("%s: no file has this licence", text)
		}
		delete(seen, name)
	}
	for licence := range seen {
		t.Errorf("LICENSES/%s.txt is missing", licence)
	}
}

// TestPackageComments: every package has one comment, in one file.
func TestPackageComments(t *testing.T) {
	documented, packages := map[string][]string{}, map[string]bool{}
	sources(t, func(path string, text []byte) {
		if filepath.Ext(path) != ".go" || strings.Contains(path, "testdata/") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		dir := filepath.Dir(path)
		if strings.HasSuffix(file.Name.Name, "_test") {
			return // of the package beside it
		}
		packages[dir] = true
		if text := file.Doc.Text(); text != "" {
			documented[dir] = append(documented[dir], path)
			if want := "Package " + file.Name.Name + " "; file.Name.Name != "main" && !strings.HasPrefix(text, want) {
				t.Errorf("%s: its comment begins with %.30q, want %q", path, text, want)
			}
		}
	})
	for dir := range packages {
		if n := len(documented[dir]); n != 1 {
			t.Errorf("%s: %d package comments, want one: %v", dir, n, documented[dir])
		}
	}
}
