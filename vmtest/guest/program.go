// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// run runs the program of a session as on a host.
func (l *link) run(s wire.Session) (err error) {
	if err := catchUp(s); err != nil {
		return err
	}
	tree := newTree(s)
	if err := tree.unpack(&source{link: l, from: l.files}); err != nil {
		return fmt.Errorf("unpack files: %w", err)
	}
	if err := prepare(s); err != nil {
		return err
	}
	if err := tree.settle(); err != nil {
		return err
	}
	if l.log, err = openKernelLog(); err != nil {
		return err
	}
	defer l.log.close()
	if err := mark(s.Mark + " begins"); err != nil {
		return err
	}
	code, err := l.runProgram(s)
	if err != nil {
		return err
	}
	if err := mark(s.Mark + " ended"); err != nil {
		return err
	}
	ended, err := tree.back(sink{l, wire.Files})
	if err != nil {
		return fmt.Errorf("return files: %w", err)
	}
	ended.Code = code
	return l.report(wire.Report{Ended: &ended})
}

// runProgram returns the exit code, when the program has ended and its output is sent,
// whatever it has left running.
func (l *link) runProgram(s wire.Session) (int, error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{Path: s.Path, Args: s.Args, Env: s.Env, Dir: s.Dir}
	// It leads its own session, as under a terminal or a service manager.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.User != (wire.User{}) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID}
	}
	streams, err := l.connect(cmd, s)
	if err != nil {
		return 0, err
	}
	defer streams.close()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", s.Path, err)
	}
	streams.started()
	if err := l.report(wire.Report{Started: true}); err != nil {
		return 0, err
	}
	go reap(cmd.Process.Pid)
	go l.deliver(cmd.Process, streams)
	err = cmd.Wait()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return 0, fmt.Errorf("run %s: %w", s.Path, err)
	}
	return exitCode(cmd.ProcessState), streams.drain()
}

// reap waits for the children of others that init has inherited, until the program has
// ended, which has somebody waiting for it.
func reap(program int) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		pid := childOf(&info)
		if err != nil || pid == program {
			return
		}
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
}

// deliver passes signals and sizes of the terminal on.
func (l *link) deliver(process *os.Process, streams *streams) {
	for m := range l.events {
		switch {
		case m.Signal != 0:
			_ = process.Signal(syscall.Signal(m.Signal)) // it may have ended
		case m.Size != nil:
			streams.resize(*m.Size)
		}
	}
}

// feed copies what the host sends to the program, and goes on when that does not read
// any more, so that the host is not left waiting.
func (l *link) feed(to io.WriteCloser) {
	from := &source{link: l, from: l.stdin}
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 64<<10))
	_ = to.Close()
	_, _ = io.Copy(io.Discard, from)
}
