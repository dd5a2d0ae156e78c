// SPDX-License-Identifier: MIT

package workflows

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/internal/workflows/standin"
)

// root is the repository.
const root = "../.."

// The programs of all tests, and the repository's files as they are here.
var (
	actProgram string // act
	program    string // ringtwin
	checkout   string // a repository of its own, with one commit
	action     string // what of it the action needs, unless it builds: act is slow to copy it
	shared     string // the cache of ringtwin, with the kernels of the tests
)

// TestMain is the stand-ins' program, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "stand-in" {
		os.Exit(standin.Main(os.Args[2]))
	}
	testutils.Patience()
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(prepare(m))
}

func prepare(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringtwin-workflows-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	actProgram, program = filepath.Join(dir, "act"), filepath.Join(dir, "ringtwin")
	checkout, action, shared = filepath.Join(dir, "checkout"), filepath.Join(dir, "action"), filepath.Join(dir, "cache")
	for _, build := range [][]string{
		{"go", "-C", "tools", "build", "-o", actProgram, "github.com/nektos/act"},
		{"go", "-C", root, "build", "-trimpath", "-ldflags=-s -w", "-buildvcs=false", "-o", program, "./cmd/ringtwin"},
	} {
		if output, err := command(".", build...); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", strings.Join(build, " "), err, output)
			return 1
		}
	}
	if err := errors.Join(copyRepository(checkout), copyAction(action, checkout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// command runs a command in a directory, and returns all its output.
func command(dir string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a test", "GIT_AUTHOR_EMAIL=test@invalid.test", "GIT_COMMITTER_NAME=a test", "GIT_COMMITTER_EMAIL=test@invalid.test")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// copyRepository makes a repository of the files that are tracked here, or new, as they
// are now.
func copyRepository(dir string) error {
	files, err := command(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return fmt.Errorf("list files: %w: %s", err, files)
	}
	for _, name := range strings.Split(strings.TrimSuffix(files, "\x00"), "\x00") {
		from := filepath.Join(root, name)
		info, err := os.Stat(from)
		if err != nil {
			continue // removed here
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return commitAll(dir, "ringtwin/ringtwin")
}

// copyAction copies the action and the reusable workflow out of the repository.
func copyAction(to, from string) error {
	for _, dir := range []string{"scripts", ".github"} {
		if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join(from, dir))); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(from, "action.yml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "action.yml"), text, 0o644)
}

// commitAll makes a repository of a directory, with one commit.
func commitAll(dir, name string) error {
	for _, args := range [][]string{
		{"git", "init", "--quiet", "--initial-branch=main"},
		{"git", "remote", "add", "origin", "https://github.com/" + name},
		{"git", "add", "--all"},
		{"git", "commit", "--quiet", "-m", "all"},
	} {
		if output, err := command(dir, args...); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, output)
		}
	}
	return nil
}

// needs skips a test that cannot run here, and returns the names of kernels for it.
func needs(t *testing.T) map[testkernels.Role]string {
	t.Helper()
	testutils.QEMU(t)
	testutils.Program(t, "git")
	testutils.Program(t, "curl")
	names, err := testkernels.All(t)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
