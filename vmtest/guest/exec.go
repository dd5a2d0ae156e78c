// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// execute runs a program of the initramfs and sends what it writes.
func execute(c wire.Command, send func(wire.Output) error) error {
	if len(c.Args) == 0 {
		return errors.New("no program to run")
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	var mu sync.Mutex // both outputs go over the one port
	locked := func(o wire.Output) error {
		mu.Lock()
		defer mu.Unlock()
		return send(o)
	}
	cmd.Stdout = writerFunc(func(p []byte) error { return locked(wire.Output{Stdout: p}) })
	cmd.Stderr = writerFunc(func(p []byte) error { return locked(wire.Output{Stderr: p}) })
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run %s: %w", c.Args[0], err)
	}
	code := exitCode(cmd.ProcessState)
	return send(wire.Output{Exit: &code})
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		piece := p[done:min(done+wire.PieceBytes, len(p))]
		if err := f(piece); err != nil {
			return done, err
		}
		done += len(piece)
	}
	return len(p), nil
}

// answerExec runs a command and answers as for a request.
func answerExec(out *wire.Writer, c wire.Command) error {
	if err := execute(c, func(o wire.Output) error { return out.Write(wire.Answer, o) }); err != nil {
		return out.Write(wire.Error, err.Error())
	}
	return out.Write(wire.Done, struct{}{})
}
