// SPDX-License-Identifier: MIT

// Package gobuild lists Go packages, and builds their tests, with the go command and the
// arguments of go test. It runs no test. All functions may be called at once.
package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Package is a Go package of the caller's module.
type Package struct {
	ImportPath string
	Dir        string
	// TestGoFiles and XTestGoFiles are its tests.
	TestGoFiles, XTestGoFiles []string
	// Error is why it cannot be loaded.
	Error *struct{ Err string }
}

// HasTests reports whether there are any.
func (p *Package) HasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// Error is what the go command wrote when it failed.
type Error struct{ Output string }

func (e *Error) Error() string { return e.Output }

// List returns the packages that the arguments mean, with those that cannot be loaded.
// An [*Error] is a mistake in the arguments.
func List(ctx context.Context, a *Args) ([]Package, error) {
	args := append([]string{"list", "-e", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles,Error"}, withoutVet(a.Build)...)
	text, err := run(ctx, "", append(append(args, "--"), a.Packages...)...)
	if err != nil {
		return nil, err
	}
	var all []Package
	for in := json.NewDecoder(bytes.NewReader(text)); ; {
		var p Package
		err := in.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		all = append(all, p)
	}
}

// withoutVet leaves out what is a flag of go test alone.
func withoutVet(flags []string) []string {
	var all []string
	for _, f := range flags {
		if !strings.HasPrefix(f, "-vet=") {
			all = append(all, f)
		}
	}
	return all
}

// Build compiles a package's tests into a directory of its own below dir, and returns
// the program's path. The error is an [*Error] if it does not build. A package with no tests for
// this system has no program.
func Build(ctx context.Context, a *Args, p *Package, dir string) (string, error) {
	dir, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, path.Base(p.ImportPath)+".test")
	_, err = run(ctx, p.Dir, append(append([]string{"test", "-c", "-o", program}, a.Build...), p.ImportPath)...)
	if err != nil {
		return "", err
	}
	return program, nil
}

// run runs the go command in a directory.
func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, new(*exec.ExitError)):
		return nil, &Error{string(bytes.TrimSpace(append(stderr.Bytes(), stdout.Bytes()...)))}
	}
	return nil, fmt.Errorf("run go: %w (Go has to be installed: https://go.dev/dl)", err)
}
