package machine

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// A leash ends a process group and removes a folder when this process has ended,
// however. QEMU is the grandchild of virtme-ng, so no parent-death signal of ours
// reaches it.
type leash struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// leashScript waits for the end of the pipe whose other end only we have. It is
// told the group in between. Once nobody is left who might write into the folder,
// or make it anew, it removes that.
const leashScript = `
while read -r line; do group=$line; done
for try in 1 2 3 4 5 6 7 8 9; do
	[ -n "$group" ] && kill -KILL "-$group" || break
	sleep 0.1
done
rm -rf -- "$0"`

// newLeash is for a folder that is yet to be made: no instant is without it.
func newLeash(folder string) (*leash, error) {
	l := &leash{cmd: exec.Command("sh", "-c", leashScript, folder)}
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

// hold says which group to end.
func (l *leash) hold(group int) error {
	_, err := fmt.Fprintln(l.in, group)
	return err
}

// Close ends the group and removes the folder.
func (l *leash) Close() error {
	return errors.Join(l.in.Close(), l.cmd.Wait())
}
