// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// execute runs the command and sends what it does.
func execute(c wire.Command, send func(wire.Output) error) error {
	if len(c.Args) == 0 {
		return errors.New("no program to run")
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	if c.Stdin != "" {
		stdin, err := os.Open(c.Stdin)
		if err != nil {
			return fmt.Errorf("open standard input: %w", err)
		}
		defer stdin.Close()
		cmd.Stdin = stdin
	}
	if c.Core {
		if err := allowCore(); err != nil {
			return err
		}
		c.Fetch = append(c.Fetch, wire.CorePath)
	}
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
	for _, path := range c.Fetch {
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.Dir, path)
		}
		if err := sendFile(path, send); err != nil {
			return err
		}
	}
	code := exitCode(cmd.ProcessState)
	return send(wire.Output{Exit: &code})
}

// allowCore makes the kernel write core dumps of programs started from now on.
// https://man7.org/linux/man-pages/man5/core.5.html
func allowCore() error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unlimited); err != nil {
		return fmt.Errorf("allow core dumps: %w", err)
	}
	err := errors.Join(
		os.WriteFile("/proc/sys/kernel/core_uses_pid", []byte("0"), 0),
		os.WriteFile("/proc/sys/kernel/core_pattern", []byte(wire.CorePath), 0))
	if err != nil {
		return fmt.Errorf("allow core dumps: %w", err)
	}
	return nil
}

func sendFile(path string, send func(wire.Output) error) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fetch file: %w", err)
	}
	defer file.Close()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	defer encoder.Close()
	buf := make([]byte, wire.PieceBytes)
	for {
		n, err := io.ReadFull(file, buf)
		// The first piece is sent even if it is empty: the file is there.
		if sendErr := send(wire.Output{File: &wire.File{Path: path, Packed: encoder.EncodeAll(buf[:n], nil)}}); sendErr != nil {
			return sendErr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetch file: %w", err)
		}
	}
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
