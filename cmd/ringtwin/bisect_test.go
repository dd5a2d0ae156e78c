// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestBisect: in an archive whose first five releases are one kernel, and the rest
// another, few are looked at, and the first of the rest is named.
func TestBisect(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	const releases, changed = 8, 6
	key := mirrors.NewKey(t)
	archive := mirrors.NewMainline(t, key)
	for n := 1; n <= releases; n++ {
		role := testkernels.Oldest
		if n >= changed {
			role = testkernels.Usual
		}
		bundle := testkernels.Bundle(t, testkernels.Name(t, role), false)
		image, err := os.ReadFile(bundle.Image)
		if err != nil {
			t.Fatal(err)
		}
		config, err := os.ReadFile(bundle.ConfigPath)
		if err != nil {
			t.Fatal(err)
		}
		archive.Add(t, fmt.Sprintf("9.%d", n), image, config)
	}
	// Their machines are saved already, or will be used again.
	shared, err := testkernels.Cache()
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for _, dir := range []string{"snapshots", "locks"} {
		if err := os.MkdirAll(filepath.Join(shared, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(shared, "snapshots"), filepath.Join(cache, "snapshots")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "bisect", "--metric", "instructions_per_event", "--from", "mainline:9.1", "--to", fmt.Sprintf("9.%d", releases),
		"--set", "events=2000", "--out", t.TempDir())
	cmd.Env = append(os.Environ(), "RINGTWIN_CACHE="+cache, "RINGTWIN_MAINLINE="+archive.URL, "RINGTWIN_MAINLINE_KEY="+key.Public(t))
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		fmt.Sprintf(`(?m)^perf: (mainline:)?9\.%d is the first with \d+\S*, (mainline:)?9\.%d has \d+\S*: \+\d+\.\d %%$`, changed, changed-1),
		fmt.Sprintf(`(?m)^[45] of %d kernels measured`, releases),
	} {
		if !regexp.MustCompile(want).Match(text) {
			t.Errorf("no match for %s in\n%s", want, text)
		}
	}
}
