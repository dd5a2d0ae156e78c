// SPDX-License-Identifier: MIT

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/internal/transcript"
)

// byOthers are commands that another step of CI runs: the file of the step, and a part
// of it that shows that it does.
var byOthers = map[string]struct{ file, has string }{
	"git clone https://github.com/ringtwin/ringtwin && cd ringtwin": {"scripts/fresh.sh", "git clone --quiet \"file://$PWD\""},
	"make vmtest KERNEL=6.1": {"scripts/fresh.sh", "as root make vmtest KERNEL=6.1\n"},
	"make test":              {"scripts/fresh.sh", "as root make test\n"},
	"make lint":              {".ci/run", "step lint make lint\n"},
	"scripts/fresh.sh":       {".ci/run", "step fresh scripts/fresh.sh\n"},
	".ci/run":                {".github/workflows/ci.yml", "- run: .ci/run\n"},
	"ringtwin selftest --where machine --kernel 6.1": {
		"cmd/ringtwin/testdata/script/selftest.txtar", "exits 0 ringtwin selftest --where machine --kernel $USUAL\n"},
	"ringtwin vmtest 7.3 --plan variants": {
		"cmd/ringtwin/testdata/script/variants.txtar", "exits 0 ringtwin vmtest $NEWEST --plan variants "},
	"ringtwin vmtest 6.1 --cpus 4 --plan offline": {
		"cmd/ringtwin/testdata/script/variants.txtar", "exits 0 ringtwin vmtest $USUAL --cpus 4 --plan offline "},
	"ringtwin bisect --metric instructions_per_event --from 5.10 --to 6.1 --set events=2000": {
		"cmd/ringtwin/testdata/script/bisect.txtar", "exits 0 ringtwin bisect --metric instructions_per_event --from $OLDEST --to $USUAL --set events=2000\n"},
	"ringtwin vmtest 6.1 --plan claims": {
		"cmd/ringtwin/testdata/script/claims.txtar", "exits 0 ringtwin vmtest $USUAL --plan claims --blocks 1\n"},
	"sudo ringtwin run --plan claims": {
		"cmd/ringtwin/testdata/script/claims.txtar", "exits 0 ringtwin run --plan claims --blocks 1\n"},
}

// instead are commands of which a test runs another form: of this commit, without a
// network.
var instead = map[string]string{
	"go install github.com/ringtwin/ringtwin/cmd/ringtwin@latest": `(cd "$REPOSITORY" && GOBIN="$OLDPWD/bin" go install ./cmd/ringtwin)`,
}

// trailing is a comment behind a command.
var trailing = regexp.MustCompile(`\s+# .*$`)

// TestCommands runs every command of every page, a session of a shell for each, in
// mounts of its own, so that pins are where the page has them, and nobody else's.
func TestCommands(t *testing.T) {
	testutils.Root(t)
	testutils.QEMU(t)
	bin := commandPath(t)
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "REPOSITORY="+repository, "GOFLAGS=-buildvcs=false",
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, page := range pages(t) {
		steps := parse(t, page)
		if len(steps) == 0 {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(repository, "scripts"), filepath.Join(dir, "scripts")); err != nil {
				t.Fatal(err)
			}
			session, err := transcript.NewSession(t.Context(), dir, env, "unshare", "--mount")
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if output, code, err := session.Run("mount -t bpf bpf /sys/fs/bpf", testutils.Limit); err != nil || code != 0 {
				t.Fatalf("mount bpffs: %s, %d, %v", output, code, err)
			}
			for _, step := range steps {
				run(t, session, page, step)
			}
		})
	}
}

func run(t *testing.T, session *transcript.Session, page string, step transcript.Step) {
	t.Helper()
	command := step.Command
	if other, ok := instead[bare(command)]; ok {
		command = other
	}
	got, code, err := session.Run(command, testutils.Limit)
	switch {
	case err != nil:
		t.Fatalf("%s:%d: %v\n%s", page, step.Line, err, got)
	case step.Script && code != 0:
		t.Errorf("%s:%d: %s: exit code %d\n%s", page, step.Line, step.Command, code, got)
	case !step.Script && !step.Matches(got):
		t.Errorf("%s:%d: $ %s\n%s", page, step.Line, step.Command, cmp.Diff(step.Want, got))
	}
}

// commandPath is a directory with the program, and with what stands for sudo.
func commandPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "ringtwin")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bare is a command without the comment behind it.
func bare(command string) string { return trailing.ReplaceAllString(command, "") }

// parse returns the steps of a page that are run here.
func parse(t *testing.T, page string) []transcript.Step {
	t.Helper()
	all, err := transcript.Parse(read(t, page))
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	var steps []transcript.Step
	for _, step := range all {
		if _, ok := byOthers[bare(step.Command)]; !ok {
			steps = append(steps, step)
		}
	}
	return steps
}

// TestCommandsOfOthers: what another step is said to run is in that step, and in a page.
func TestCommandsOfOthers(t *testing.T) {
	commands := map[string]bool{}
	for _, page := range pages(t) {
		steps, err := transcript.Parse(read(t, page))
		if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		for _, step := range steps {
			commands[bare(step.Command)] = true
		}
	}
	for command, step := range byOthers {
		if !strings.Contains(read(t, filepath.Join(root, step.file)), step.has) {
			t.Errorf("%s does not run %q: it has no %q", step.file, command, step.has)
		}
		if !commands[command] {
			t.Errorf("no page has %q", command)
		}
	}
	for command := range instead {
		if !commands[command] {
			t.Errorf("no page has %q", command)
		}
	}
}

// languages are those of all fenced blocks: a command in any other would not be run.
var languages = []string{"console", "sh", "text", "yaml", "go", "json"}

func TestLanguages(t *testing.T) {
	for _, page := range pages(t) {
		open := false
		number := 0
		for line := range strings.Lines(read(t, page)) {
			number++
			language, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
			if !ok {
				continue
			}
			if open = !open; open && !strings.Contains(" "+strings.Join(languages, " ")+" ", " "+language+" ") {
				t.Errorf("%s:%d: a block of %q, want one of %s", page, number, language, strings.Join(languages, ", "))
			}
		}
	}
}
