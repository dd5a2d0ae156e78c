// SPDX-License-Identifier: MIT

// Package ptrace runs a program and reports every system call of all its threads, with
// access to the memory that the arguments point to.
//
// It does not decode the calls, and does not follow child processes.
package ptrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a thread is about to make.
type Call struct {
	Number uint64
	Args   [6]uint64
}

// Memory is that of the traced process.
type Memory interface {
	// Read fills the buffer from an address on.
	Read(address uint64, into []byte) error
}

// Watcher receives the system calls. Its methods are called from one goroutine, while the
// thread that makes the call is stopped.
type Watcher interface {
	// Enter is called before the kernel runs the call. It returns true to stop watching:
	// the process is then interrupted.
	Enter(thread int, call Call, memory Memory) (enough bool)
	// Leave is called with the return value of the thread's last call: a negative errno,
	// or a result. It is not called for calls that do not return.
	Leave(thread int, result int64)
}

// stderrBytes limits the returned part of a program's standard error.
const stderrBytes = 64 << 10

// Run runs the program in a new process, without input and output, until it has ended. It
// returns the first 64 KiB that it wrote to its standard error, and its exit code;
// termination by a signal is an error.
//
// A process that is not allowed to trace its own children gets EPERM.
func Run(ctx context.Context, args []string, w Watcher) (stderr string, code int, err error) {
	// Only the thread that has started a process may trace it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A file, not a pipe: it needs no reader while the program runs, and a child of the
	// program may keep it open.
	fd, err := unix.MemfdCreate("stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return "", 0, fmt.Errorf("make file for %s: %w", args[0], err)
	}
	said := os.NewFile(uintptr(fd), "stderr")
	defer said.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return "", 0, err
	}
	process, err := os.StartProcess(args[0], args, &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{null, null, said},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	err = errors.Join(err, null.Close())
	if err != nil {
		return "", 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	// Not by pid, which may be reused once the process has been waited for.
	stop := context.AfterFunc(ctx, func() { _ = process.Kill() })
	t := tracee{pid: process.Pid, watcher: w, known: map[int]bool{}}
	status, err := t.follow()
	if err != nil {
		// EXITKILL would come too late: this process goes on.
		_ = process.Kill()
		t.reap()
	}
	stop()
	err = errors.Join(err, process.Release()) // already waited for
	if err != nil {
		return "", 0, err
	}
	text := make([]byte, stderrBytes)
	n, err := said.ReadAt(text, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return "", 0, fmt.Errorf("read what %s said: %w", args[0], err)
	case ctx.Err() != nil:
		return "", 0, context.Cause(ctx)
	case status.Signaled():
		return "", 0, fmt.Errorf("%s: ended by %s", args[0], status.Signal())
	}
	return string(text[:n]), status.ExitStatus(), nil
}

// tracee is a process with its threads.
type tracee struct {
	pid     int
	watcher Watcher
	enough  bool
	known   map[int]bool // threads that have stopped once
}

// follow returns when the process has ended.
func (t *tracee) follow() (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		// Only children of this thread: the program may have others.
		thread, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("wait for traced process: %w", err)
		case !status.Stopped():
			if thread == t.pid { // the last thread to be reported
				return status, nil
			}
			continue
		}
		signal, err := t.stopped(thread, status)
		if err != nil {
			return 0, err
		}
		resume := unix.PtraceSyscall
		if t.enough {
			resume = unix.PtraceCont
		}
		// A thread may be killed while it is stopped: the next wait reports it.
		if err := resume(thread, int(signal)); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, fmt.Errorf("resume traced process: %w", err)
		}
	}
}

// reap waits for a process that is killed, and for its threads.
func (t *tracee) reap() {
	for {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		if err != nil && !errors.Is(err, unix.EINTR) || thread == t.pid && !status.Stopped() {
			return
		}
	}
}

// options: new threads are traced, stops for system calls and execve are distinguished
// from SIGTRAP, and the tracee is killed with its tracer.
const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

// stopped finds why a thread has stopped. The result is the signal to deliver, or 0.
func (t *tracee) stopped(thread int, status unix.WaitStatus) (unix.Signal, error) {
	first := !t.known[thread]
	t.known[thread] = true
	switch signal := status.StopSignal(); {
	case signal == unix.SIGTRAP|0x80:
		return 0, t.syscall(thread)
	case first && thread == t.pid: // it has become the program
		if err := unix.PtraceSetOptions(thread, options); err != nil {
			return 0, fmt.Errorf("trace %d: %w", thread, err)
		}
		return 0, nil
	case first && signal == unix.SIGSTOP: // a new thread
		return 0, nil
	case signal == unix.SIGTRAP && status.TrapCause() > 0: // it created a thread, or executed another program
		return 0, nil
	default:
		return signal, nil
	}
}

// callInfo is struct ptrace_syscall_info, of Linux 5.3.
// https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/ptrace.h
type callInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	// Of an entry the number and the arguments, of an exit the result.
	number uint64
	args   [6]uint64
	_      [2]uint64 // of seccomp
}

// syscall reports an entry or an exit to the watcher.
func (t *tracee) syscall(thread int) error {
	if t.enough {
		return nil
	}
	var info callInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	switch {
	case errno == unix.ESRCH: // it was killed
		return nil
	case errno != 0:
		return fmt.Errorf("read system call of traced process: %w", errno)
	case info.op == unix.PTRACE_SYSCALL_INFO_EXIT:
		t.watcher.Leave(thread, int64(info.number))
	case info.op == unix.PTRACE_SYSCALL_INFO_ENTRY:
		if t.watcher.Enter(thread, Call{info.number, info.args}, memory(thread)) {
			t.enough = true
			return unix.Kill(t.pid, unix.SIGINT)
		}
	}
	return nil
}

// memory is that of a thread, by its id.
type memory int

func (m memory) Read(address uint64, into []byte) error {
	if len(into) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &into[0]}}
	local[0].SetLen(len(into))
	n, err := unix.ProcessVMReadv(int(m), local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(into)}}, 0)
	if err == nil && n < len(into) {
		err = unix.EFAULT
	}
	if err != nil {
		return fmt.Errorf("read %d bytes of traced process: %w", len(into), err)
	}
	return nil
}
