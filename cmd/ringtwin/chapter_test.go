// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/internal/transcript"
)

// TestChapter runs every command of docs/chapter.md, on this host and in machines.
func TestChapter(t *testing.T) {
	t.Parallel()
	testutils.Root(t)
	testutils.QEMU(t)
	text, err := os.ReadFile("../../docs/chapter.md")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := transcript.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	// Mounts of its own, so that pins are where the chapter has them, and nobody else's.
	session, err := transcript.NewSession(t.Context(), t.TempDir(), env, "unshare", "--mount")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if printed, code, err := session.Run("mount -t bpf bpf /sys/fs/bpf", testutils.Limit); err != nil || code != 0 {
		t.Fatalf("mount bpffs: %s, %d, %v", printed, code, err)
	}
	for _, step := range steps {
		got, _, err := session.Run(step.Command, testutils.Limit)
		if err != nil {
			t.Fatalf("line %d: %v\n%s", step.Line, err, got)
		}
		if !step.Matches(got) {
			t.Errorf("docs/chapter.md:%d: $ %s\n%s", step.Line, step.Command, cmp.Diff(step.Want, got))
		}
	}
}
