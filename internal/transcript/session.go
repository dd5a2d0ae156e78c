// SPDX-License-Identifier: MIT

package transcript

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Session is a shell that runs one step after the other. Close it after use.
type Session struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *os.File
	from *bufio.Reader
	n    int
}

// NewSession starts a shell in the directory, with the environment, as the argument of
// the command within, if there is one. The context ends it, and what it has started.
func NewSession(ctx context.Context, dir string, env []string, within ...string) (*Session, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	shell := append(slices.Clone(within), "bash", "--norc", "--noprofile")
	s := &Session{out: out, from: bufio.NewReader(out), cmd: exec.CommandContext(ctx, shell[0], shell[1:]...)}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = dir, env, in, in
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = s.kill
	if s.in, err = s.cmd.StdinPipe(); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return s, nil
}

// kill ends the shell and its background jobs.
func (s *Session) kill() error { return syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }

// Run runs a command and returns what it and its background jobs printed until it
// was done, and its exit code.
func (s *Session) Run(command string, timeout time.Duration) (printed string, code int, err error) {
	s.n++
	end := fmt.Sprintf("end of step %d:", s.n)
	if err := s.out.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return "", 0, err
	}
	// Nothing that a command reads is the next command.
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null\nprintf '%s%%d\\n' $?\n", command, end); err != nil {
		return "", 0, fmt.Errorf("give %q to the shell: %w", command, err)
	}
	var text strings.Builder
	for {
		line, err := s.from.ReadString('\n')
		if before, after, ok := strings.Cut(line, end); ok {
			text.WriteString(before)
			_, err := fmt.Sscanf(after, "%d", &code)
			return text.String(), code, err
		}
		text.WriteString(line)
		if err != nil {
			return text.String(), 0, fmt.Errorf("%q has not ended: %w", command, err)
		}
	}
}

// Close ends the shell and its background jobs.
func (s *Session) Close() error {
	_ = s.kill()
	_ = s.cmd.Wait() // it was killed
	return errors.Join(s.in.Close(), s.out.Close())
}
