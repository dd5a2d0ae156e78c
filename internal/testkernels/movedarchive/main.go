// SPDX-License-Identifier: MIT

// Command movedarchive runs a command, such as make test, with a Debian archive that has
// changed: its newest kernel is gone, and the next version is there. Tests that depend on
// today's archive fail then.
//
// The archive is on loopback, and signed. It has the current kernels of this machine's
// archive; the new one is the newest under another name, because the next version does
// not exist yet. The kernel still reports its own version.
//
//	go run ./internal/testkernels/movedarchive make test
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "movedarchive:", err)
		os.Exit(1)
	}
}

// tb is what package mirrors wants of a test.
type tb struct {
	testing.TB
	dir   string
	dirs  int
	close []func()
}

func (t *tb) Helper()          {}
func (t *tb) Cleanup(f func()) { t.close = append(t.close, f) }
func (t *tb) Fatal(args ...any) {
	panic(fmt.Sprint(args...)) // it has no other use here than to end this program
}

func (t *tb) TempDir() string {
	t.dirs++
	dir := filepath.Join(t.dir, fmt.Sprint(t.dirs))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(ctx context.Context, command []string) error {
	if len(command) == 0 {
		return errors.New("want a command, as in: movedarchive make test")
	}
	dir, err := os.MkdirTemp("", "ringtwin-moved-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &tb{dir: dir}
	defer func() {
		for _, f := range t.close {
			f()
		}
	}()
	archive := mirrors.NewDebian(t, mirrors.NewKey(t))
	if err := fill(ctx, t, archive); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "RINGTWIN_APT="+archive.Root(t, "bookworm"), "RINGTWIN_CACHE="+filepath.Join(dir, "cache"))
	return cmd.Run()
}

// fill gives the archive what tests want of this machine's.
func fill(ctx context.Context, t *tb, archive *mirrors.Archive) error {
	cache, err := testkernels.Cache()
	if err != nil {
		return err
	}
	r := kernel.Resolver{Cache: kernel.Cache{Dir: cache}, Places: kernel.PlacesFromEnvironment()}
	lines, err := r.Resolve(ctx, "apt:all")
	if err != nil {
		return err
	}
	roles := testkernels.Assigned(lines)
	var packages []mirrors.Package
	for i, ref := range lines {
		newest := i == len(lines)-1
		if !roles[strings.TrimPrefix(ref.Name, "apt:")] && ref.Kernel.LineString() != "6.12" { // which the chapter names
			continue
		}
		fmt.Fprintln(os.Stderr, "movedarchive: take", ref.Package)
		more, err := packagesOf(ctx, r, ref, newest)
		if err != nil {
			return err
		}
		packages = append(packages, more...)
		for _, flavour := range []string{"generic", "rt"} { // of rt only the name counts
			if ref.Name != "apt:"+testkernels.NameOf(lines, testkernels.Usual) {
				continue
			}
			more, err := flavourOf(ctx, r, ref, flavour)
			if err != nil {
				return err
			}
			packages = append(packages, more...)
		}
	}
	archive.Set(t, "bookworm", packages...)
	return nil
}

// packagesOf are the packages of a kernel, moved on or as it is.
func packagesOf(ctx context.Context, r kernel.Resolver, ref kernel.Ref, moved bool) ([]mirrors.Package, error) {
	b, err := r.Fetch(ctx, ref)
	if err != nil {
		return nil, err
	}
	image, err := os.ReadFile(b.Image)
	if err != nil {
		return nil, err
	}
	var config []byte
	if b.ConfigPath != "" {
		if config, err = os.ReadFile(b.ConfigPath); err != nil {
			return nil, err
		}
	}
	release, version := b.Release, ref.Revision
	if moved {
		next := kernel.Version{Major: ref.Kernel.Major, Minor: ref.Kernel.Minor + 1, Patch: 1}
		release = strings.Replace(release, ref.Kernel.String(), next.String(), 1)
		version = strings.Replace(version, ref.Kernel.String(), next.String(), 1)
	}
	return mirrors.DebianKernel(release, version, image, config), nil
}

// flavourOf is the package of another flavour, with its modules.
func flavourOf(ctx context.Context, r kernel.Resolver, cloud kernel.Ref, flavour string) ([]mirrors.Package, error) {
	r.Modules = flavour == "generic"
	refs, err := r.Resolve(ctx, cloud.Name+"+"+flavour)
	if err != nil {
		return nil, err
	}
	packages, err := packagesOf(ctx, r, refs[0], false)
	if err != nil || !r.Modules {
		return packages, err
	}
	b, err := r.Fetch(ctx, refs[0])
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(b.Modules, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.Modules, path)
		packages[0].Files = append(packages[0].Files, mirrors.File{Name: "lib/modules/" + b.Release + "/" + name, Data: data})
		return err
	})
	return packages, err
}
