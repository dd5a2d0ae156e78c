// SPDX-License-Identifier: MIT

package workflows

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/workflows/standin"
)

// mustBe fails the test unless just these jobs ran, with these results.
func (l *log) mustBe(t *testing.T, want map[string]string) {
	t.Helper()
	for job, result := range want {
		if l.jobs[job] != result {
			t.Errorf("%s: %q, want %q", job, l.jobs[job], result)
		}
	}
	for job := range l.jobs {
		if _, ok := want[job]; !ok {
			t.Errorf("%s ran, and is not expected", job)
		}
	}
}

// TestArtifacts: the artifact of one kernel is lost, and that of another has no results.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	names := needs(t)
	oldest, usual := names[testkernels.Oldest], names[testkernels.Usual]
	l := run{
		workflow: "ci.yml", event: "workflow_dispatch",
		inputs: map[string]string{"kernels": oldest + " " + usual, "vmtest": short, "facts": "--only wedge"},
		env:    []string{standin.Lose + "=vmtest-" + oldest, standin.Empty + "=vmtest-" + usual},
	}.execute(t)
	l.mustBe(t, map[string]string{
		"build": success, "vmtest " + oldest: success, "vmtest " + usual: success, "report": failure, "result": failure,
	})
	l.check(t, "artifacts")
}

// TestNoArtifact: no job of the matrix measured anything, here because of a mistake.
func TestNoArtifact(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	l := run{workflow: "ci.yml", event: "workflow_dispatch", inputs: map[string]string{"kernels": usual, "vmtest": "--plan none"}}.execute(t)
	l.mustBe(t, map[string]string{"build": success, "vmtest " + usual: failure, "report": failure, "result": failure})
	l.check(t, "no-artifact")
}

// TestEarlierFailure: nothing runs after the job that failed, but the one that says so.
func TestEarlierFailure(t *testing.T) {
	t.Parallel()
	needs(t)
	l := run{workflow: "ci.yml", event: "workflow_dispatch", inputs: map[string]string{"kernels": " "}}.execute(t)
	l.mustBe(t, map[string]string{"build": failure, "result": failure})
	l.check(t, "earlier-failure")
}

// TestCancelled: what a cancelled run has measured so far is not reported as all.
func TestCancelled(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	l := run{
		workflow: "ci.yml", event: "workflow_dispatch", inputs: map[string]string{"kernels": usual, "vmtest": short + " --blocks 1000"},
		cancelAt: `block 2 of 1000`, // which does not end by itself
	}.execute(t)
	l.check(t, "cancelled")
	for job := range l.jobs {
		if len(l.summaries(job)) > 0 || len(l.annotations(job)) > 0 {
			t.Errorf("%s has something to say", job)
		}
	}
}

// TestUnknownKernel: it is a red job and a line of the report, and the others are measured.
func TestUnknownKernel(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	l := run{repository: foreign(t), workflow: "kernels.yml", event: "workflow_dispatch", inputs: map[string]string{
		"kernels": usual + " 99.9", "run": "vmtest " + short, "version": program,
	}}.execute(t)
	l.mustBe(t, map[string]string{"plan": success, "kernel " + usual: success, "kernel 99.9": failure, "report": failure, "result": failure})
	l.check(t, "unknown-kernel")
}

// TestAction runs the action in a workflow of a foreign repository; all of it fails.
func TestAction(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	for name, test := range map[string]struct {
		inputs map[string]string
		files  map[string]string // of the repository
		path   string
	}{
		"facts":  {inputs: map[string]string{"run": "facts --only wedge,ring-loss-is-silent", "version": broken(t)}},
		"splat":  {inputs: map[string]string{"run": "vmtest " + short, "version": broken(t)}},
		"test":   {inputs: map[string]string{"run": "go test ./..."}, files: map[string]string{"testdata/broken": usual}},
		"kvm":    {inputs: map[string]string{"run": "go test ./...", "kvm": "require"}, path: withoutKVM(t)},
		"exec":   {inputs: map[string]string{"run": "exec " + program + " report"}}, // which wants files: exit code 2
		"no-run": {inputs: map[string]string{"run": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := map[string]string{"kernels": usual, "version": program}
			for key, value := range test.inputs {
				inputs[key] = value
			}
			l := run{repository: foreignWith(t, test.files), workflow: "action.yml", event: "workflow_dispatch", inputs: inputs, path: test.path}.execute(t)
			l.mustBe(t, map[string]string{"test": failure})
			l.check(t, "action-"+name)
		})
	}
}

// foreign is a repository of somebody else.
func foreign(t *testing.T) string {
	t.Helper()
	return foreignWith(t, nil)
}

// foreignWith is the same with more files.
func foreignWith(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "foreign")
	if err := os.CopyFS(dir, os.DirFS("testdata/foreign")); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := commitAll(dir, "somebody/foreign"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edits make a program with a false statement, and with a trial that causes a splat.
var edits = []struct{ file, old, new string }{
	{"harness/facts/loss.go", `t.check("records", n, len(ring.read()))`, `t.check("records", n+1, len(ring.read()))`},
	{"harness/trial/consumer.go", "func (c *consumer) wait() error {\n", "func (c *consumer) wait() error {\n\tsplat()\n"},
	{"harness/trial/splat.go", "", `package trial

import "os"

func splat() { _ = os.WriteFile("/dev/kmsg", []byte("<2>BUG: made up by a test\n"), 0) }
`},
}

var brokenProgram = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(program), "broken")
	path := filepath.Join(dir, "ringtwin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for _, edit := range edits {
		original, err := filepath.Abs(filepath.Join(root, edit.file))
		if err != nil {
			return "", err
		}
		text := edit.new
		if edit.old != "" {
			source, err := os.ReadFile(original)
			if err != nil {
				return "", err
			}
			text = strings.Replace(string(source), edit.old, edit.new, 1)
		}
		replacement := filepath.Join(dir, filepath.Base(edit.file))
		if err := os.WriteFile(replacement, []byte(text), 0o644); err != nil {
			return "", err
		}
		overlay["Replace"][original] = replacement
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		return "", err
	}
	_, err = command(".", "go", "-C", root, "build", "-trimpath", "-ldflags=-s -w", "-buildvcs=false", "-overlay", list, "-o", path, "./cmd/ringtwin")
	return path, err
})

// broken is the path of a program with known faults.
func broken(t *testing.T) string {
	t.Helper()
	path, err := brokenProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
