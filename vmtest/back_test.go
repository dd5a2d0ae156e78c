// SPDX-License-Identifier: MIT

package vmtest

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// archiveOf is a tar archive with these files.
func archiveOf(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := "new"
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		h.Mode = 0o640
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestReturnedStaysInside: what a machine sends is written where it is wanted, and nowhere
// else, whatever links there are.
func TestReturnedStaysInside(t *testing.T) {
	dir := t.TempDir()
	outside, tree := filepath.Join(dir, "outside"), filepath.Join(dir, "tree")
	for _, d := range []string{outside, tree} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(tree, "away")); err != nil {
		t.Fatal(err)
	}
	fetched := filepath.Join(dir, "fetched")
	packed := &Packed{session: wire.Session{Tree: tree}, fetch: destinations{"/out/file": {fetched, true}, "/out/dir": {filepath.Join(dir, "many"), true},
		"/out/dir/one": {filepath.Join(dir, "another"), true}}}
	in := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(filepath.Join(tree, name), "/")}
	}
	for name, test := range map[string]struct {
		header tar.Header
		wrote  string // "": an error
	}{
		"in the tree":           {in("new/file"), filepath.Join(tree, "new/file")},
		"fetched":               {tar.Header{Typeflag: tar.TypeReg, Name: "out/file"}, fetched},
		"in a fetched dir":      {tar.Header{Typeflag: tar.TypeReg, Name: "out/dir/a/b"}, filepath.Join(dir, "many/a/b")},
		"fetched by itself too": {tar.Header{Typeflag: tar.TypeReg, Name: "out/dir/one/b"}, filepath.Join(dir, "another/b")},
		"elsewhere":             {tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd"}, ""},
		"above":                 {tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(tree, "/") + "/../../stolen"}, ""},
		"through a link":        {in("away/file"), ""},
		"beside a fetched file": {tar.Header{Typeflag: tar.TypeReg, Name: "out/file2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &returned{packed: packed, named: func(p string) string { return p }, got: map[string]bool{}}
			err := r.read(archiveOf(t, test.header))
			if test.wrote == "" {
				if err == nil {
					t.Error("was written")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(test.wrote); err != nil || string(text) != "new" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside are %v, %v", entries, err)
	}
}

// TestModuleFiles: what git ignores stays here, but for test data; links, empty directories
// and hidden files are brought along.
func TestModuleFiles(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"go.mod": "module m", ".hidden": "", "a/a.go": "package a", "a/testdata/b.bin": "x", "big/large": "x", ".gitignore": "big/\n*.bin\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../go.mod", filepath.Join(root, "a/link")); err != nil {
		t.Fatal(err)
	}
	runGit(t, root, "init", "-q")
	if got := moduleRoot(filepath.Join(root, "a")); got != root {
		t.Errorf("the module of a is %s", got)
	}
	f := newFiles(t.Context())
	if err := f.addModule(root); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"": true, "go.mod": true, ".hidden": true, "a": true, "a/a.go": true, "a/link": true, "a/testdata/b.bin": true, "empty": true,
		"big": false, "big/large": false, ".git": false, ".git/HEAD": false,
	} {
		if got := f.have[filepath.Join(root, path)]; got != want {
			t.Errorf("%s: brought along %t", path, got)
		}
	}
}

// TestGoFlags: what a test binary's flags name is brought back, wherever it is.
func TestGoFlags(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("p.test", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &Program{Path: "./p.test", Args: []string{
		"-test.coverprofile=/coverage/cover.out", "-test.outputdir", "out", "--test.cpuprofile=cpu.out", "-test.gocoverdir=/coverage/cover", "-test.artifacts", "x",
	}}
	packed, err := p.Pack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/coverage/cover", "/coverage/cover.out", dir + "/out/_artifacts", dir + "/out/cpu.out"}
	for _, path := range want {
		if _, ok := packed.fetch[path]; !ok {
			t.Errorf("%s is not brought back: %v", path, packed.fetch)
		}
	}
	if len(packed.fetch) != len(want) {
		t.Errorf("brought back are %v", packed.fetch)
	}
}

func runGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	if text, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s%v", text, err)
	}
}
