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

// Command asks a guest to run a program that its initramfs holds.
type Command struct {
	Args []string `json:"args"` // the program's path first
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	// Stdin is the path of a file in the guest, or "".
	Stdin string `json:"stdin,omitempty"`
	// Fetch are paths whose files are wanted when the program has ended. One
	// that is not there is no error.
	Fetch []string `json:"fetch,omitempty"`
	// Core asks for the core dump too, if there is one: as the file [CorePath].
	Core bool `json:"core,omitempty"`
}

// CorePath is where the kernel leaves the core dump of a program.
const CorePath = "/ringtwin/core"

// Output is a piece of what a program does. Exactly one field is set.
type Output struct {
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	File   *File  `json:"file,omitempty"`
	// Exit is the exit code; 128 + n where signal n ended it, as in a shell.
	Exit *int `json:"exit,omitempty"`
}

// File is a piece of a fetched file, in order.
type File struct {
	Path string `json:"path"`
	// Packed is the piece, compressed by zstd: an emulated serial port carries
	// half a megabyte a second, and core dumps are mostly zeros.
	Packed []byte `json:"packed"`
}

// Data is the piece itself.
func (f *File) Data() ([]byte, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(pieceBytes))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	data, err := decoder.DecodeAll(f.Packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack piece of %s: %w", f.Path, err)
	}
	return data, nil
}

// pieceBytes is how much of a file or of an output one frame carries.
const pieceBytes = 256 << 10

// execute runs the command and sends what it does.
func execute(c Command, send func(Output) error) error {
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
		c.Fetch = append(c.Fetch, CorePath)
	}
	var mu sync.Mutex // both outputs go over the one port
	locked := func(o Output) error {
		mu.Lock()
		defer mu.Unlock()
		return send(o)
	}
	cmd.Stdout = writerFunc(func(p []byte) error { return locked(Output{Stdout: p}) })
	cmd.Stderr = writerFunc(func(p []byte) error { return locked(Output{Stderr: p}) })
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
	return send(Output{Exit: &code})
}

// allowCore has the kernel write core dumps of whatever is started from now on.
// https://man7.org/linux/man-pages/man5/core.5.html
func allowCore() error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unlimited); err != nil {
		return fmt.Errorf("allow core dumps: %w", err)
	}
	err := errors.Join(
		os.WriteFile("/proc/sys/kernel/core_uses_pid", []byte("0"), 0),
		os.WriteFile("/proc/sys/kernel/core_pattern", []byte(CorePath), 0))
	if err != nil {
		return fmt.Errorf("allow core dumps: %w", err)
	}
	return nil
}

func sendFile(path string, send func(Output) error) error {
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
	buf := make([]byte, pieceBytes)
	for {
		n, err := io.ReadFull(file, buf)
		// The first piece is sent even if it is empty: the file is there.
		if sendErr := send(Output{File: &File{Path: path, Packed: encoder.EncodeAll(buf[:n], nil)}}); sendErr != nil {
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
		piece := p[done:min(done+pieceBytes, len(p))]
		if err := f(piece); err != nil {
			return done, err
		}
		done += len(piece)
	}
	return len(p), nil
}

// answerExec runs a command and answers as a request is answered.
func answerExec(out *wire.Writer, c Command) error {
	if err := execute(c, func(o Output) error { return out.Write(wire.Answer, o) }); err != nil {
		return out.Write(wire.Error, err.Error())
	}
	return out.Write(wire.Done, struct{}{})
}
