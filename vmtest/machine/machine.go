// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// Machine is a running virtual machine.
type Machine struct {
	cfg     Config
	backend backend
	cmd     *exec.Cmd
	frames  chan received
	ended   chan struct{} // closed when QEMU has ended
	waited  error         // its exit, valid after ended
	stderr  bytes.Buffer  // likewise
	log     logReader
	repeat  string // the command that repeats the machine
	// restored means that it was restored from a snapshot.
	restored bool
	// logStart is the offset in the log file at which this machine's console begins.
	logStart int64

	connected chan struct{} // closed when ends and out are valid
	ends
	out *wire.Writer

	// Of a machine in virtual time, or for programs.
	files stateFiles

	// Of a machine that virtme-ng makes.
	ports  *ports
	reaper *reaper
}

// ends are the host's ends of a machine's connections.
type ends struct {
	in      io.WriteCloser // control
	control io.Reader
	// monitor is QEMU's.
	monitor *qmp
	// keyboard types on the console of a machine in virtual time; for other machines it
	// is plugged in when needed.
	keyboard io.WriteCloser
}

type received struct {
	frame wire.Frame
	err   error
}

// AwaitReady waits until the guest has booted or is restored.
func (m *Machine) AwaitReady(ctx context.Context) (wire.State, error) {
	return m.backend.ready(ctx, m)
}

func (m *Machine) takeReady(ctx context.Context, deadline time.Time) (ready wire.State, err error) {
	frame, err := m.next(ctx, time.After(time.Until(deadline)))
	if errors.Is(err, errTimeout) {
		err = m.probeLiveness(err)
	}
	if err != nil {
		return ready, m.failure(BootFailed, fmt.Errorf("boot: %w", err))
	}
	if frame.Kind != wire.Ready {
		return ready, m.failure(BootFailed, fmt.Errorf("boot: guest said %q before ready", frame.Kind))
	}
	if err := json.Unmarshal(frame.Body, &ready); err != nil {
		return ready, m.failure(BootFailed, fmt.Errorf("boot: read ready: %w", err))
	}
	return ready, nil
}

// Do sends a request and passes each answer to take, until the guest reports that it is
// done. An error that the guest reports is a [GuestError]; the machine can then serve
// further requests. After any other error it cannot.
func (m *Machine) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	return m.request(ctx, wire.Request, request, timeout, take)
}

// Answers receives the answers of a machine in virtual time, which was started with its
// request. Errors are as for Do.
func (m *Machine) Answers(ctx context.Context, timeout time.Duration, take func(json.RawMessage) error) error {
	return m.answers(ctx, time.After(timeout), take)
}

// Symbols asks for what the kernel knows of its functions. Errors are as for Do.
func (m *Machine) Symbols(ctx context.Context, timeout time.Duration, take func(json.RawMessage) error) error {
	return m.request(ctx, wire.Symbols, struct{}{}, timeout, take)
}

// Exec runs a program of the initramfs, as the command specifies, and passes each piece
// of its output to take; the last piece has the exit code. Errors are as for Do.
func (m *Machine) Exec(ctx context.Context, c wire.Command, timeout time.Duration, take func(wire.Output) error) error {
	return m.request(ctx, wire.Exec, c, timeout, output(take))
}

// Output receives the output of a program in a machine in virtual time, which was started
// with the command. Errors are as for Do.
func (m *Machine) Output(ctx context.Context, timeout time.Duration, take func(wire.Output) error) error {
	return m.answers(ctx, time.After(timeout), output(take))
}

func output(take func(wire.Output) error) func(json.RawMessage) error {
	return func(body json.RawMessage) error {
		var o wire.Output
		if err := json.Unmarshal(body, &o); err != nil {
			return fmt.Errorf("read output: %w", err)
		}
		return take(o)
	}
}

func (m *Machine) request(ctx context.Context, kind wire.Kind, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	deadline := time.After(timeout)
	switch err := m.say(ctx, kind, request, deadline); {
	case errors.Is(err, errTimeout):
		return m.silent(err)
	case ctx.Err() != nil:
		return m.failure(Lost, err)
	case err != nil:
		return m.failure(Lost, fmt.Errorf("%w: %w", m.gone(), err))
	}
	return m.answers(ctx, deadline, take)
}

func (m *Machine) answers(ctx context.Context, deadline <-chan time.Time, take func(json.RawMessage) error) error {
	for {
		frame, err := m.next(ctx, deadline)
		if errors.Is(err, errTimeout) {
			return m.silent(err)
		}
		if err != nil {
			return m.failure(Lost, err)
		}
		switch frame.Kind {
		case wire.Answer:
			if err := take(frame.Body); err != nil {
				return err
			}
		case wire.Done:
			return nil
		case wire.Error:
			var text string
			if err := json.Unmarshal(frame.Body, &text); err != nil {
				return m.failure(Lost, fmt.Errorf("read guest's error: %w", err))
			}
			return GuestError(text)
		default:
			return m.failure(Lost, fmt.Errorf("guest said %q in answer to a request", frame.Kind))
		}
	}
}

// say writes a frame. A frame longer than a pipe's buffer needs a guest that reads it;
// killing the machine ends the write.
func (m *Machine) say(ctx context.Context, kind wire.Kind, body any, deadline <-chan time.Time) error {
	said := make(chan error, 1)
	go func() { said <- m.out.Write(kind, body) }()
	select {
	case err := <-said:
		return err
	case <-deadline:
		return errTimeout
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// silent is the failure of a machine that missed a time limit.
func (m *Machine) silent(err error) error {
	err = m.probeLiveness(err)
	if errors.Is(err, errDead) {
		return m.failure(Hang, err)
	}
	return m.failure(Timeout, err)
}

// GuestError is what the guest's handler returned.
type GuestError string

func (e GuestError) Error() string { return string(e) }

var (
	errEnded   = errors.New("QEMU ended")
	errCut     = errors.New("QEMU closed the control channel and runs on")
	errTimeout = errors.New("no answer in time")
	errSilent  = errors.New("nothing on the console")
)

// gone reports why nothing can be read or written any more. A process that ends closes
// its files shortly before it can be waited for.
func (m *Machine) gone() error {
	select {
	case <-m.ended:
		return errEnded
	case <-time.After(m.cfg.Limits.End):
		return errCut
	}
}

// next is the next frame. Garbage is an error: nothing but us writes there.
func (m *Machine) next(ctx context.Context, deadline <-chan time.Time) (wire.Frame, error) {
	select {
	case r, ok := <-m.frames:
		if !ok {
			return wire.Frame{}, m.gone()
		}
		return r.frame, r.err
	case <-deadline:
		return wire.Frame{}, errTimeout
	case <-ctx.Done():
		return wire.Frame{}, context.Cause(ctx)
	}
}

// Reboot resets the machine, as its button does, and waits until the kernel has
// booted again. After an error the machine is gone.
//
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
func (m *Machine) Reboot(ctx context.Context) (ready wire.State, err error) {
	// QEMU ends where anything else resets it: see -no-reboot.
	if err := m.onReset("reset"); err != nil {
		return ready, m.failure(Lost, err)
	}
	if _, err := m.monitor.execute("system_reset", nil); err != nil {
		return ready, m.failure(Lost, err)
	}
	if ready, err = m.takeReady(ctx, time.Now().Add(m.cfg.Limits.Boot)); err != nil {
		return ready, err
	}
	if err := m.onReset("shutdown"); err != nil {
		return ready, m.failure(Lost, err)
	}
	return ready, nil
}

func (m *Machine) onReset(action string) error {
	_, err := m.monitor.execute("set-action", map[string]any{"reboot": action})
	return err
}

// Stop asks the guest to power off, and kills it if it does not.
func (m *Machine) Stop() error {
	if !m.isConnected() || m.out.Write(wire.Exit, struct{}{}) != nil {
		m.Kill()
		return nil // it had ended already
	}
	deadline := time.After(m.cfg.Limits.Stop)
	for frames := m.frames; ; {
		select {
		case <-m.ended:
			return nil
		case _, ok := <-frames:
			// Nobody waits for these any more; unread they would block QEMU.
			if !ok {
				frames = nil
			}
		case <-deadline:
			return m.silent(fmt.Errorf("guest did not power off in %s", m.cfg.Limits.Stop))
		}
	}
}

// Kill ends QEMU at once and waits until it is gone. It may be called twice.
func (m *Machine) Kill() {
	select {
	case <-m.ended:
	default:
		_ = m.cmd.Process.Kill()
		_ = unix.Kill(-m.cmd.Process.Pid, unix.SIGKILL) // it leads its group
		for range m.frames {                            // a blocked receive would keep Wait from returning
		}
		<-m.ended
	}
	if m.isConnected() {
		_, _ = m.in.Close(), m.monitor.Close()
		if m.keyboard != nil {
			_ = m.keyboard.Close()
		}
	}
}
