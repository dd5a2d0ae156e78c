// SPDX-License-Identifier: MIT

// Package docs_test checks the documentation: its generated tables are what the code
// says, its commands run, and its links lead somewhere.
package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// root is the repository's, seen from here.
const root = ".."

// program is the path of the real program. With -short there is none.
var program string

func TestMain(m *testing.M) {
	testutils.Patience()
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(build(m))
}

// build builds the program as other tests do, so that they share its snapshots.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringtwin-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ringtwin")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../cmd/ringtwin")
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}

// pages are the paths of all pages.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("*.md")
	if err != nil || len(all) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return append([]string{filepath.Join(root, "README.md")}, all...)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
