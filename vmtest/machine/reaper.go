// SPDX-License-Identifier: MIT

package machine

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// A reaper ends a process group and removes a directory when this process ends for any
// reason. QEMU is the grandchild of virtme-ng, so no parent-death signal of ours reaches
// it.
type reaper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// reaperScript waits for the end of the pipe whose other end only we have. Before that it
// reads the group. When no process is left that might write into the directory, or
// recreate it, it removes the directory.
const reaperScript = `
while read -r line; do group=$line; done
for try in 1 2 3 4 5 6 7 8 9; do
	[ -n "$group" ] && kill -KILL "-$group" || break
	sleep 0.1
done
rm -rf -- "$0"`

// newReaper takes a directory that does not exist yet: it always has a reaper.
func newReaper(dir string) (*reaper, error) {
	l := &reaper{cmd: exec.Command("sh", "-c", reaperScript, dir)}
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	var err error
	if l.in, err = l.cmd.StdinPipe(); err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start a shell that cleans up: %w", err)
	}
	return l, nil
}

// hold sets the group to end.
func (l *reaper) hold(group int) error {
	_, err := fmt.Fprintln(l.in, group)
	return err
}

// Close ends the group and removes the directory.
func (l *reaper) Close() error {
	return errors.Join(l.in.Close(), l.cmd.Wait())
}
