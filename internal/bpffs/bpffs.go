// SPDX-License-Identifier: MIT

// Package bpffs mounts a private file system for pinned BPF objects in a test.
package bpffs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Mount returns the directory of a new bpffs, which is gone after the test.
func Mount(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
