// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ringtwin/ringtwin/harness/facts"
	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/rogpeppe/go-internal/testscript"
)

// program is the path of the real program: a test binary is not what boots.
var program string

// TestMain is the init of machines with the fault agent, too.
func TestMain(m *testing.M) {
	if guest.IsInit() {
		guest.Main(breakOnce)
	}
	facts.Loader()
	testutils.Patience()
	_ = os.Unsetenv("GITHUB_ACTIONS") // which would add annotations
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run()) // which does without the program
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringtwin-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ringtwin")
	for _, pkg := range []string{".", "golang.org/x/perf/cmd/benchstat"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build", pkg+":", err)
			return 1
		}
	}
	return m.Run()
}

// TestScripts runs the command lines of testdata/script, which read like a manual.
func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script")
}

// TestVNG runs those of testdata/vng, with machines of virtme-ng.
func TestVNG(t *testing.T) {
	t.Parallel()
	testutils.Program(t, "vng")
	runScripts(t, "testdata/vng")
}

func runScripts(t *testing.T, dir string) {
	t.Helper()
	testutils.Root(t)
	testutils.QEMU(t)
	cache, err := vmtest.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	roles, err := testkernels.All(t)
	if err != nil {
		t.Fatal(err)
	}
	var served *mirrors.Mainline
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("RINGTWIN_CACHE", cache)
			env.Setenv("CGO_ENABLED", "0")
			for role, name := range roles { // as $NEWEST
				env.Setenv(string(role), name)
			}
			kernels := len(slices.Compact(slices.Sorted(maps.Values(roles))))
			env.Setenv("KERNELS", strconv.Itoa(kernels))
			env.Setenv("TRIALS", strconv.Itoa(4*kernels)) // of one block on each
			for _, name := range []string{"RINGTWIN_PATIENCE", "RINGTWIN_APT"} {
				env.Setenv(name, os.Getenv(name))
			}
			env.Setenv("GOFLAGS", "-buildvcs=false")
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      exits,
			"balance":    balance,
			"head":       head,
			"agree":      agree,
			"same":       same,
			"halfkernel": func(ts *testscript.TestScript, neg bool, args []string) { halfKernel(t, ts, neg, args) },
			"mirror":     func(ts *testscript.TestScript, neg bool, args []string) { served = mirror(t, ts, args) },
			"unmirror":   func(*testscript.TestScript, bool, []string) { served.Close() },
		},
	})
}

// head FILE PREFIX: the first line of the file begins so.
func head(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: head file prefix")
	}
	if first, _, _ := strings.Cut(ts.ReadFile(args[0]), "\n"); !strings.HasPrefix(first, args[1]) {
		ts.Fatalf("%s begins %q", args[0], first)
	}
}

// exits CODE COMMAND...: the command must end with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", args[1], got, want)
	}
}

// halfkernel FILE VERSION writes the first half of a kernel's image.
func halfKernel(t *testing.T, ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: halfkernel file version")
	}
	bundle := testkernels.Bundle(t, args[1], false)
	image, err := os.ReadFile(bundle.Image)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), image[:len(image)/2], 0o644))
}

// mirror VERSION serves this kernel on loopback: as 6.5.13 of Ubuntu's mainline
// builds, and as the image $IMAGE. The script gets a cache of its own.
func mirror(t *testing.T, ts *testscript.TestScript, args []string) *mirrors.Mainline {
	if len(args) != 1 {
		ts.Fatalf("usage: mirror version")
	}
	bundle := testkernels.Bundle(t, args[0], false)
	image, err := os.ReadFile(bundle.Image)
	ts.Check(err)
	config, err := os.ReadFile(bundle.ConfigPath)
	ts.Check(err)
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.13", image, config)
	m.AddIncomplete(t, "6.5.14")
	name := mirrors.NewRegistry(t) + "/some/kernels:6.5"
	mirrors.Push(t, name, mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: image}, mirrors.File{Name: "boot/config", Data: config}))
	ts.Setenv("RINGTWIN_CACHE", ts.MkAbs("cache"))
	ts.Setenv("RINGTWIN_MAINLINE", m.URL)
	ts.Setenv("RINGTWIN_MAINLINE_KEY", key.Public(t))
	ts.Setenv("IMAGE", name)
	return m
}

// user runs a command line of one program as a user, without a shell.
func user(ctx context.Context, uid uint32, name string) error {
	cmd := exec.CommandContext(ctx, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd.Run()
}

// machines lists the processes of QEMU whose command line holds text.
func machines(t *testing.T, text string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		line, err := os.ReadFile(path)
		name, _, _ := strings.Cut(string(line), "\x00")
		if err == nil && strings.HasPrefix(filepath.Base(name), "qemu-system") && strings.Contains(string(line), text) {
			found = append(found, path)
		}
	}
	return found
}
