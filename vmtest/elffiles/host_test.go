// SPDX-License-Identifier: MIT

package elffiles

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestLikeTheLoader: for every program of this system, its loader lists the libraries
// that are found without running it.
func TestLikeTheLoader(t *testing.T) {
	testutils.Time(t)
	programs, err := filepath.Glob("/usr/bin/*")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, program := range programs {
		o := dynamic(t, program)
		if o == nil {
			continue
		}
		compared++
		if diff := cmp.Diff(listed(t, o.interp, program), found(t, program)); diff != "" {
			t.Errorf("%s: the loader's and ours:\n%s", program, diff)
		}
	}
	t.Logf("%d programs", compared)
	if compared < 10 {
		t.Errorf("%d dynamic programs in /usr/bin: this shows little", compared)
	}
}

// dynamic reads a program that has a loader and can run; nil if it is none.
func dynamic(t *testing.T, path string) *object {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		return nil // a dangling link
	}
	defer file.Close()
	o, err := read(file)
	if err != nil || o.interp == "" {
		return nil
	}
	return o
}

// listed are the libraries that a loader lists for a program, by their paths here.
func listed(t *testing.T, loader, program string) []string {
	t.Helper()
	real, err := filepath.EvalSymlinks(program) // as the kernel starts it
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(loader, "--list", real)
	// Without the directories for this CPU.
	cmd.Args = slices.Insert(cmd.Args, 1, "--glibc-hwcaps-mask", "")
	if strings.Contains(loader, "musl") {
		cmd.Args = []string{loader, "--list", real}
	}
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", loader, program, err, text)
	}
	paths := []string{}
	for line := range strings.Lines(string(text)) {
		line, _, _ := strings.Cut(strings.TrimSpace(line), " (0x")
		if _, path, found := strings.Cut(line, " => "); found && path != loader {
			paths = append(paths, path)
		}
	}
	return sorted(t, paths)
}

// found are the libraries that [Needs] finds, without the loader, what glibc opens by
// itself, and second paths.
func found(t *testing.T, program string) []string {
	t.Helper()
	needs, err := Needs(program, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	seen, paths := map[string]bool{}, []string{}
	for _, n := range needs[1:] {
		if !slices.Contains(opened, filepath.Base(n.Path)) && !seen[n.Source] {
			seen[n.Source] = true
			paths = append(paths, n.Source)
		}
	}
	return sorted(t, paths)
}

// sorted leaves out what glibc opens by itself, which a program may need in any case.
func sorted(t *testing.T, paths []string) []string {
	t.Helper()
	paths = slices.DeleteFunc(paths, func(path string) bool { return slices.Contains(opened, filepath.Base(path)) })
	for i, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		paths[i] = absolute
	}
	slices.Sort(paths)
	return paths
}
