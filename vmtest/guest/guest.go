// SPDX-License-Identifier: MIT

// Package guest is the program inside a throwaway machine: PID 1. It mounts the kernel's
// file systems, reports ready on the control port, answers requests and powers the
// machine off on every path. Where virtme-ng's init is PID 1, it only answers requests.
//
// It carries requests and answers as JSON and does not know what they mean.
package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// Handler answers one request by calling send any number of times.
type Handler func(ctx context.Context, request json.RawMessage, send func(any) error) error

// IsInit reports whether this process is the init of a machine started for it.
func IsInit() bool { return os.Getpid() == 1 && os.Args[0] == "/init" }

// Main is PID 1. It does not return: a panic or an error is printed on the console, and
// the machine is powered off.
func Main(handler Handler) {
	defer powerOff()
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "ringtwin: init: panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := run(handler); err != nil {
		fmt.Fprintf(os.Stderr, "ringtwin: init: %v\n", err)
	}
}

func run(handler Handler) error {
	// The root is already in memory. Another mount would hide the initramfs below it.
	if err := os.MkdirAll("/tmp", 0o1777); err != nil {
		return err
	}
	if err := mountAll("/", tracerMounts); err != nil {
		return err
	}
	port, err := openPort(wire.ControlPort)
	if err != nil {
		return err
	}
	switch {
	case hasWord(wire.VirtualWord):
		return serveVirtual(port, handler)
	case hasWord(wire.HostWord):
		return serveHost(port, handler)
	}
	return serve(port, handler)
}

// hasWord reports whether the word is on the kernel's command line.
func hasWord(word string) bool {
	line, err := os.ReadFile("/proc/cmdline")
	return err == nil && slices.Contains(strings.Fields(string(line)), word)
}

// Serve answers requests in a machine whose init is another program, which has mounted
// what a tracer needs, and powers off when Serve has returned. The error is one of the
// port.
func Serve(handler Handler) error {
	port, err := openPort(wire.ControlPort)
	if err != nil {
		return err
	}
	defer port.Close()
	return serve(port, handler)
}

// serve answers requests until the host says exit or hangs up.
func serve(port io.ReadWriter, handler Handler) error {
	ready, err := describe()
	if err != nil {
		return err
	}
	if err := wire.NewWriter(port).Write(wire.Ready, ready); err != nil {
		return err
	}
	return serveFrames(port, handler, ready, nil)
}

// serveHost answers requests in a machine that is like a host.
func serveHost(port io.ReadWriter, handler Handler) error {
	if err := becomeHost(); err != nil {
		return err
	}
	buf, err := mapBuffer()
	if err != nil {
		return err
	}
	ready, err := describe()
	if err != nil {
		return err
	}
	if err := wire.NewWriter(port).Write(wire.Ready, ready); err != nil {
		return err
	}
	return serveFrames(port, handler, ready, buf)
}

// serveFrames answers requests. buf is nil if the machine has none.
func serveFrames(port io.ReadWriter, handler Handler, ready wire.State, buf *buffer) error {
	out, in := wire.NewWriter(port), wire.NewReader(port)
	for {
		frame, err := in.Read()
		var garbage *wire.GarbageError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &garbage):
			if err := out.Write(wire.Error, "request is "+garbage.Error()); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("read request: %w", err)
		}
		switch frame.Kind {
		case wire.Exit:
			return nil
		case wire.Ping:
			if err := out.Write(wire.Ready, ready); err != nil {
				return err
			}
		case wire.Exec:
			var c wire.Command
			if err := json.Unmarshal(frame.Body, &c); err != nil {
				return fmt.Errorf("read command: %w", err)
			}
			if err := answerExec(out, c); err != nil {
				return err
			}
		case wire.Program:
			var s wire.Session
			if err := json.Unmarshal(frame.Body, &s); err != nil {
				return fmt.Errorf("read command: %w", err)
			}
			if err := answerProgram(in, out, buf, s); err != nil {
				return err
			}
		case wire.Symbols:
			if err := answerSymbols(out); err != nil {
				return err
			}
		case wire.Request:
			if err := answer(out, handler, frame.Body); err != nil {
				return err
			}
		default:
			if err := out.Write(wire.Error, fmt.Sprintf("frame %q is no request", frame.Kind)); err != nil {
				return err
			}
		}
	}
}

// answer returns only errors of the port: errors of the handler go to the host.
func answer(out *wire.Writer, handler Handler, request json.RawMessage) error {
	send := func(v any) error { return out.Write(wire.Answer, v) }
	if err := call(handler, request, send); err != nil {
		return out.Write(wire.Error, err.Error())
	}
	return out.Write(wire.Done, struct{}{})
}

// call turns a panic of the handler into an error, with its stack on the console.
func call(handler Handler, request json.RawMessage, send func(any) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "ringtwin: guest: panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("guest panicked: %v", p)
		}
	}()
	return handler(context.Background(), request, send)
}

func describe() (wire.State, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return wire.State{}, fmt.Errorf("read kernel release: %w", err)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return wire.State{}, fmt.Errorf("count CPUs: %w", err)
	}
	release, _, _ := strings.Cut(string(uts.Release[:]), "\x00")
	return wire.State{Release: release, CPUs: set.Count()}, nil
}

// powerOff ends the machine. A kernel that cannot power off is reset instead, which ends
// QEMU too (-no-reboot).
func powerOff() {
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	os.Exit(1) // PID 1 gone: panic=-1 resets
}
