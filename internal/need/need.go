// Package need lets a test say what it cannot do without. Where that is missing
// the test is skipped and says so; in CI, where nothing may be missing, it fails.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Root skips the test unless it may load BPF programs and change users.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "needs root, to load BPF programs and to change users")
	}
}

// Program skips the test unless the program is installed.
func Program(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, "needs "+name+": scripts/setup.sh installs it")
	}
}

// Compiler skips the test unless there is a C compiler, with which go build links
// by default where it finds one.
func Compiler(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "needs gcc, to build a program that is not static")
	}
}

// File skips the test unless the file is there, which a package of that name
// installs.
func File(t testing.TB, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, "needs "+path+": scripts/setup.sh installs "+pkg)
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and CI has to have it", what)
	}
	t.Skip(what)
}

// Bpftool skips the test unless bpftool is installed, and returns its path:
// Debian has it where only root looks.
func Bpftool(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"bpftool", "/usr/sbin/bpftool"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "needs bpftool: scripts/setup.sh installs it")
	return ""
}
