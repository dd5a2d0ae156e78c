// SPDX-License-Identifier: MIT

package standin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// action executes a stand-in with inputs, in an empty directory with these files, and
// returns its outputs.
func action(t *testing.T, name string, inputs map[string]string) (string, error) {
	t.Helper()
	outputs := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(outputs, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITHUB_OUTPUT", outputs)
	for key, value := range inputs {
		key = "STANDIN_INPUT_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		t.Setenv(key, value)
		defer os.Unsetenv(key)
	}
	err := actions[name]()
	text, readErr := os.ReadFile(outputs)
	return string(text), errors.Join(err, readErr)
}

// job is a directory of a job with these files, and a store of its own.
func job(t *testing.T, files ...string) {
	t.Helper()
	t.Setenv(Dir, t.TempDir())
	t.Chdir(t.TempDir())
	for _, name := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// tree lists the files below a directory.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestArtifactPaths: what is uploaded of some paths, and how it is named.
func TestArtifactPaths(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		want []string
	}{
		"a directory":       {"out", []string{"a", "sub/b"}},
		"a file":            {"out/sub/b", []string{"b"}},
		"two files":         {"bin/x\nout/a", []string{"bin/x", "out/a"}},
		"files of one":      {"out/a\nout/sub/b", []string{"a", "sub/b"}},
		"a pattern":         {"out/*", []string{"a", "sub/b"}},
		"one that is not":   {"out\nnone", []string{"a", "sub/b"}},
		"through a link":    {"link", []string{"a", "sub/b"}},
		"beside each other": {"./out/a\n./bin/x", []string{"bin/x", "out/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			job(t, "out/a", "out/sub/b", "out/.hidden", "bin/x")
			if err := os.Symlink("out", "link"); err != nil {
				t.Fatal(err)
			}
			if _, err := action(t, "upload-artifact", map[string]string{"name": "n", "path": test.path}); err != nil {
				t.Fatal(err)
			}
			if _, err := action(t, "download-artifact", map[string]string{"name": "n", "path": "got"}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, tree(t, "got")); diff != "" {
				t.Error(diff)
			}
			info, err := os.Stat(filepath.Join("got", test.want[0]))
			if err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("modes are not kept on GitHub: %v, %v", info, err)
			}
		})
	}
}

// TestArtifactRules: what GitHub refuses.
func TestArtifactRules(t *testing.T) {
	job(t, "out/a")
	refused := func(name string, inputs map[string]string) {
		t.Helper()
		if _, err := action(t, name, inputs); err == nil {
			t.Errorf("%s takes %v", name, inputs)
		}
	}
	for _, name := range []string{"", "apt:6.1", "a/b", `a\b`, "a*", "a?", `"a"`, "a<b", "a|b"} {
		refused("upload-artifact", map[string]string{"name": name, "path": "out"})
	}
	refused("upload-artifact", map[string]string{"name": "n", "path": "none", "if-no-files-found": "error"})
	refused("download-artifact", map[string]string{"name": "none"})
	for _, inputs := range []map[string]string{
		{"name": "n", "path": "out"}, {"name": "n", "path": "out", "overwrite": "true"}, {"name": "m", "path": "none"},
	} {
		if _, err := action(t, "upload-artifact", inputs); err != nil {
			t.Errorf("%v: %v", inputs, err)
		}
	}
	refused("upload-artifact", map[string]string{"name": "n", "path": "out"})
	if _, err := action(t, "download-artifact", map[string]string{"pattern": "none-*", "path": "got"}); err != nil {
		t.Errorf("a pattern that nothing matches: %v", err)
	}
}

// TestPatterns: each artifact has a directory, unless they are merged.
func TestPatterns(t *testing.T) {
	job(t, "a/x", "b/y")
	for _, name := range []string{"a", "b"} {
		if _, err := action(t, "upload-artifact", map[string]string{"name": "n-" + name, "path": name}); err != nil {
			t.Fatal(err)
		}
	}
	for merge, want := range map[string][]string{"": {"n-a/x", "n-b/y"}, "true": {"x", "y"}} {
		if _, err := action(t, "download-artifact", map[string]string{"pattern": "n-*", "path": "got" + merge, "merge-multiple": merge}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tree(t, "got"+merge)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestBroken: an artifact that is lost, and one whose results are.
func TestBroken(t *testing.T) {
	job(t, "out/results.jsonl")
	t.Setenv(Lose, "none lost-*")
	t.Setenv(Empty, "empty")
	for _, name := range []string{"lost-1", "empty", "whole"} {
		if _, err := action(t, "upload-artifact", map[string]string{"name": name, "path": "out"}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"empty/results.jsonl", "whole/results.jsonl"}, tree(t, artifacts())); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(artifacts(), "empty/results.jsonl")); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestCache: a key is saved once and found by its name, or by the beginning of it.
func TestCache(t *testing.T) {
	job(t, "kernels/a", "refs/b")
	paths := "kernels\nrefs\nnone"
	for _, key := range []string{"", "a,b", strings.Repeat("k", 513)} {
		if _, err := action(t, "cache-save", map[string]string{"path": paths, "key": key}); err == nil {
			t.Errorf("key %.20q is taken", key)
		}
	}
	if _, err := action(t, "cache-save", map[string]string{"path": "none", "key": "k"}); err == nil {
		t.Error("a cache of nothing is saved")
	}
	for range 2 { // the second time it is there
		if _, err := action(t, "cache-save", map[string]string{"path": paths, "key": "key-1"}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		inputs map[string]string
		want   string
	}{
		"hit":         {map[string]string{"key": "key-1"}, "cache-hit=true\ncache-primary-key=key-1\ncache-matched-key=key-1\n"},
		"miss":        {map[string]string{"key": "other"}, "cache-hit=\ncache-primary-key=other\ncache-matched-key=\n"},
		"restore key": {map[string]string{"key": "key-2", "restore-keys": "none\nkey-"}, "cache-hit=false\ncache-primary-key=key-2\ncache-matched-key=key-1\n"},
		"other paths": {map[string]string{"key": "key-1", "path": "kernels"}, "cache-hit=\ncache-primary-key=key-1\ncache-matched-key=\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.inputs["path"] == "" {
				test.inputs["path"] = paths
			}
			for _, dir := range []string{"kernels", "refs"} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			got, err := action(t, "cache-restore", test.inputs)
			if err != nil || got != test.want {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
			_, err = os.Stat("refs/b")
			if restored := err == nil; restored == strings.Contains(test.want, "cache-matched-key=\n") {
				t.Errorf("restored: %t", restored)
			}
		})
	}
}
