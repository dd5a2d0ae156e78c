// SPDX-License-Identifier: MIT

package facts

import (
	"os"

	"golang.org/x/sys/unix"
)

// mount mounts a file system on a directory of our own, until the end of the
// experiment.
func (t *T) mount(of string) string {
	dir, err := os.MkdirTemp("", "ringtwin-facts-")
	t.must("make directory", err)
	t.after(func() error { return os.Remove(dir) })
	if err := unix.Mount(of, dir, of, 0, ""); err != nil {
		t.cannot("cannot mount %s: %s", of, errnoOf(err))
	}
	t.after(func() error { return unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
