package facts

import (
	"os"

	"golang.org/x/sys/unix"
)

// mount mounts a file system on a folder of our own, until the end of the
// experiment.
func (l *lab) mount(of string) string {
	dir, err := os.MkdirTemp("", "ringtwin-facts-")
	l.must("make folder", err)
	l.after(func() error { return os.Remove(dir) })
	if err := unix.Mount(of, dir, of, 0, ""); err != nil {
		l.cannot("cannot mount %s: %s", of, errnoOf(err))
	}
	l.after(func() error { return unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
