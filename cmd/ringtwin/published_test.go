// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// publishedDir is what make results writes.
const publishedDir = "../../docs/results"

// TestPublished: what is published is measured again, byte for byte, of the kernels
// that are still those of the archive. Published is the newest QEMU that was there.
func TestPublished(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	then := publishedLines(t, publishedDir)
	if len(then) < 2 {
		t.Fatalf("%d kernels are published", len(then))
	}
	temp := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		if text, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, text)
		}
	}
	names := []string{testkernels.Name(t, testkernels.Oldest), testkernels.Name(t, testkernels.Usual), testkernels.Name(t, testkernels.Newest)}
	run(append([]string{"vmtest", "--plan", "gate", "--clock", "virtual", "--out", temp}, names...)...)
	run("report", "--publish", filepath.Join(temp, "now"), filepath.Join(temp, "latest", "results.jsonl"))
	now := publishedLines(t, filepath.Join(temp, "now"))
	if len(now) != len(names) {
		t.Errorf("%d kernels, want %d", len(now), len(names))
	}
	compared := 0
	for sum, line := range now {
		was, ok := then[sum]
		if !ok {
			t.Logf("%s is not published: make results", line.Package)
			continue
		}
		compared++
		line.QEMU = was.QEMU
		if line != was {
			t.Errorf("measured %+v, published %+v: make results", line, was)
		}
	}
	if compared == 0 {
		t.Error("the archive has replaced all kernels that are published: make results")
	}
}

// publishedLines are those of a directory, by the kernel's hash.
func publishedLines(t *testing.T, dir string) map[string]report.Published {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, report.PublishedLines))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]report.Published{}
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var p report.Published
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		all[p.SHA256] = p
	}
	return all
}
