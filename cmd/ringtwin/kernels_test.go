// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPrune: without a size nothing is removed, and what would be is reported.
func TestPrune(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("RINGTWIN_CACHE", cache)
	for _, path := range []string{"kernels/a/image", "kernels/b/image", "snapshots/c/state", "initramfs/d"} {
		path = filepath.Join(cache, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		// New files stay, because another process may be about to use them.
		old := time.Now().Add(-time.Hour)
		for _, entry := range []string{path, filepath.Dir(path)} {
			if err := os.Chtimes(entry, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		args   string
		code   int
		stdout string
		stderr string
		left   int
	}{
		{"", exitUsage, "", "ringtwin: this would remove 2 kernels, 1 snapshot, 1 initramfs, 4 MiB, from " + cache + ": want --keep SIZE or --all\n", 4},
		{"--keep much", exitUsage, "", "ringtwin: \"much\" is no size: want bytes, or 500M, or 2G\n", 4},
		{"--keep 1G --all", exitUsage, "", "--keep and --all can't be used together", 4},
		{"--keep 1G", exitOK, "0 MiB removed from " + cache + "\n", "", 4},
		{"--all", exitOK, "4 MiB removed from " + cache + "\n", "", 0},
		{"", exitUsage, "", "this would remove 0 kernels, 0 snapshots, 0 initramfs, 0 MiB", 0},
	} {
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), slices.Concat([]string{"kernels", "prune"}, strings.Fields(test.args)), &stdout, &stderr)
		if code != test.code || stdout.String() != test.stdout || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("%q: exit code %d, %q, %q", test.args, code, stdout.String(), stderr.String())
		}
		files, err := filepath.Glob(filepath.Join(cache, "*", "*"))
		if err != nil || len(files) != test.left {
			t.Errorf("%q: %v are left, %v", test.args, files, err)
		}
	}
}
