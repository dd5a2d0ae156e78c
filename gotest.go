// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"golang.org/x/sys/unix"
)

// GoTest runs go test on kernels, one after the other.
type GoTest struct {
	Host *vmtest.Host
	// Exec are the flags of ringtwin exec, but for the kernel. Args are the arguments of go
	// test.
	Exec, Args []string
	// Fold folds the log of each kernel.
	Fold           bool
	Stdout, Stderr io.Writer
}

// Run runs the tests on each kernel. The error is one that concerns all of them.
func (g *GoTest) Run(ctx context.Context, refs []kernel.Ref) (*Each, error) {
	each := &Each{What: strings.Join(append([]string{"go", "test"}, g.Args...), " ")}
	for _, ref := range refs {
		if ctx.Err() != nil {
			return each, context.Cause(ctx)
		}
		on := OnKernel{Kernel: ref.Name}
		bundle, err := g.Host.Fetch(ctx, ref, false)
		g.Host.Progress.Done(ref.Name, "")
		if err != nil {
			on.Code = 3
			on.Problems = []problem.Problem{ProblemOf(ref.Name, err)}
		} else {
			on.Release = bundle.Release
			if err := g.on(ctx, &on); err != nil {
				return each, err
			}
		}
		each.On = append(each.On, on)
	}
	return each, nil
}

// on runs the tests on one kernel, which has been fetched.
func (g *GoTest) on(ctx context.Context, on *OnKernel) error {
	if g.Fold {
		ci.Group(g.Stdout, on.Kernel+", "+on.Release)
		defer ci.EndGroup(g.Stdout)
	} else {
		fmt.Fprintf(g.Stderr, "== %s, %s\n", on.Kernel, on.Release)
	}
	problems, err := os.CreateTemp("", "ringtwin-problems-")
	if err != nil {
		return err
	}
	defer os.Remove(problems.Name())
	if err := problems.Close(); err != nil {
		return err
	}
	cmd, err := g.command(ctx, on.Kernel)
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), problemsFile+"="+problems.Name())
	if os.Getenv("CGO_ENABLED") == "" {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0") // exec takes static programs
	}
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &ended):
		on.Code = max(ended.ExitCode(), 1) // -1: by a signal
	case err != nil:
		return fmt.Errorf("run go test: %w (Go has to be installed: https://go.dev/dl)", err)
	}
	on.Problems, err = passedOn(problems.Name())
	return err
}

// command is go test, with this program to run the tests.
func (g *GoTest) command(ctx context.Context, kernel string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var words []string
	for _, word := range append(append([]string{self, "exec", "--annotations=off", "--kernel=" + kernel}, g.Exec...), "--") {
		quoted, err := quotedForGo(word)
		if err != nil {
			return nil, err
		}
		words = append(words, quoted)
	}
	// A result that Go has cached may be of an older kernel, or of another machine: it
	// knows of neither. An argument of the caller comes later, and counts.
	args := append([]string{"test", "-count=1", "-exec", strings.Join(words, " ")}, g.Args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, g.Stdout, g.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGINT) }
	return cmd, nil
}

// quotedForGo is a word of the value of -exec, which has quotes and no escapes:
// https://pkg.go.dev/cmd/internal/quoted
func quotedForGo(word string) (string, error) {
	switch {
	case word != "" && !strings.ContainsAny(word, " \t\n\r'\""):
		return word, nil
	case !strings.Contains(word, "'"):
		return "'" + word + "'", nil
	case !strings.Contains(word, `"`):
		return `"` + word + `"`, nil
	}
	return "", fmt.Errorf("%s: go test -exec takes no word that has both kinds of quotes", word)
}
