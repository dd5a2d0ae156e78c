// SPDX-License-Identifier: MIT

package ringtwin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/internal/suite"
)

// exec runs a test binary with ringtwin exec in the directory of its package, and reads
// its events. An interrupted one keeps those that there are.
func (s *testRun) exec(ctx context.Context, u *suite.Unit, program string) error {
	self, err := self()
	if err != nil {
		return err
	}
	problems, err := os.CreateTemp(s.temp, "problems-")
	if err != nil {
		return err
	}
	defer os.Remove(problems.Name())
	if err := problems.Close(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, s.arguments(u, program)...)
	cmd.Dir = s.packages[u.Package].Dir
	cmd.Env = append(os.Environ(), problemsFile+"="+problems.Name())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	// A terminal's interrupt is for this program, which passes it on once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := s.convert(cmd, u); err != nil {
		if ctx.Err() != nil { // before it had started
			*u = *suite.Cancelled(u.Key)
			return nil
		}
		return err
	}
	u.Seconds = time.Since(began).Seconds()
	if u.Problems, err = passedOn(problems.Name()); err != nil {
		return err
	}
	if ctx.Err() != nil && u.Code != 0 {
		u.Problems = suite.Cancelled(u.Key).Problems
	}
	u.Fill()
	return nil
}

// convert runs a command, and converts what it writes to events.
func (s *testRun) convert(cmd *exec.Cmd, u *suite.Unit) error {
	// Not with the context: what a test wrote before an interrupt counts.
	json2 := exec.Command("go", "tool", "test2json", "-t", "-p", u.Package)
	json2.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	// One descriptor, so that both streams keep their order.
	cmd.Stdout, cmd.Stderr = out, out
	var events, stderr bytes.Buffer
	json2.Stdin, json2.Stdout, json2.Stderr = quoting(in), &events, &stderr
	if err := json2.Start(); err != nil {
		return errors.Join(fmt.Errorf("run go tool test2json: %w", err), out.Close())
	}
	err = cmd.Run()
	closed := out.Close()
	if converted := json2.Wait(); converted != nil {
		return fmt.Errorf("go tool test2json: %w: %s", converted, stderr.Bytes())
	}
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		u.Code = max(ended.ExitCode(), 1) // -1: by a signal
	case err != nil && cmd.ProcessState == nil:
		return err
	}
	u.Events, err = parseEvents(events.Bytes())
	return errors.Join(err, closed)
}

// quoting removes from lines in which exec quotes a test its mark, which would begin the
// test once more: https://go.dev/src/cmd/internal/test2json/test2json.go
func quoting(r io.Reader) io.Reader {
	const mark = "\x16"
	in, out := io.Pipe()
	go func() {
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadSlice('\n')
			if bytes.Contains(line, []byte(suite.WrittenLast)) {
				line = bytes.ReplaceAll(line, []byte(mark), nil)
			}
			if _, wrong := out.Write(line); wrong != nil {
				return // test2json has ended
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				_ = out.CloseWithError(err) // io.EOF, in general
				return
			}
		}
	}()
	return in
}

// parseEvents reads the lines of test2json.
func parseEvents(text []byte) ([]suite.Event, error) {
	var all []suite.Event
	for line := range bytes.Lines(text) {
		var e suite.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return all, fmt.Errorf("read event of go test: %w", err)
		}
		all = append(all, e)
	}
	return all, nil
}
