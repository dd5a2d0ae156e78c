// SPDX-License-Identifier: MIT

package testutils

import (
	"os"
	"os/exec"
	"testing"
)

// Root skips the test unless it may load BPF programs and change users.
func Root(t testing.TB) {
	t.Helper()
	notShort(t, "root, to load BPF programs and to change users")
	if os.Geteuid() != 0 {
		missing(t, "needs root, to load BPF programs and to change users")
	}
}

// Kernels skips the test unless there is an archive of kernels to boot.
func Kernels(t testing.TB) {
	t.Helper()
	Program(t, "apt-get")
}

// QEMU skips the test unless machines can be started.
func QEMU(t testing.TB) {
	t.Helper()
	Program(t, "qemu-system-x86_64")
}

// Program skips the test unless the program is installed.
func Program(t testing.TB, name string) {
	t.Helper()
	notShort(t, name)
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
	notShort(t, path)
	if _, err := os.Stat(path); err != nil {
		missing(t, "needs "+path+": scripts/setup.sh installs "+pkg)
	}
}

// Bpftool skips the test unless bpftool is installed, and returns its path:
// Debian has it where only root looks.
func Bpftool(t testing.TB) string {
	t.Helper()
	notShort(t, "bpftool")
	for _, name := range []string{"bpftool", "/usr/sbin/bpftool"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "needs bpftool: scripts/setup.sh installs it")
	return ""
}

// Time skips a test that takes seconds of CPU.
func Time(t testing.TB) {
	t.Helper()
	notShort(t, "seconds of CPU")
}

func notShort(t testing.TB, what string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs " + what + ": not with -short")
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and CI has to have it", what)
	}
	t.Skip(what)
}
