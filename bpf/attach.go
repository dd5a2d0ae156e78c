// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// ErrUnsupported wraps the kernel's reason when an attach point or a transport
// does not exist there.
var ErrUnsupported = errors.New("not supported by this kernel")

// programName is the function of twin.bpf.c for the attach point and what is sent.
func programName(opts *Options) (string, error) {
	prefix := "handle_"
	switch {
	case opts.Workload != vocab.Storm:
	case opts.Bare:
		prefix = "bare_"
	case opts.Sizes != "":
		prefix = "sized_"
	default:
		prefix = "storm_"
	}
	suffix, err := programSuffix(opts.Attach)
	return prefix + suffix, err
}

func programSuffix(a vocab.Attach) (string, error) {
	if slices.Contains(vocab.Attaches(), a) {
		return strings.ReplaceAll(strings.TrimSuffix(string(a), "-ioctl"), "-", "_"), nil
	}
	return "", fmt.Errorf("attach point %q: want auto, %s", a, vocab.Join(vocab.Attaches()))
}

// attach attaches the program to the system call of the workload.
func attach(a vocab.Attach, program *ebpf.Program, w vocab.Workload) (io.Closer, error) {
	switch a {
	case vocab.AttachTracepoint:
		return linkTracepoint("sys_enter_"+w.Syscall(), program)
	case vocab.AttachTracepointIoctl:
		return ioctlTracepoint("sys_enter_"+w.Syscall(), program)
	case vocab.AttachKprobeIoctl:
		return ioctlKprobe(function(w), program)
	case vocab.AttachRawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: program})
	case vocab.AttachKprobe:
		return link.Kprobe("sys_"+w.Syscall(), program, nil)
	default:
		return link.AttachTracing(link.TracingOptions{Program: program})
	}
}

// syscallPrefix is the prefix of the kernel's system call functions.
var syscallPrefix = map[string]string{"amd64": "__x64_sys_", "arm64": "__arm64_sys_"}

// function is the kernel function that implements the system call.
func function(w vocab.Workload) string { return syscallPrefix[runtime.GOARCH] + w.Syscall() }

// ResolveAttach returns the attach point to use. [vocab.AttachAuto] is resolved by trial:
// each point of [vocab.AttachOrder] is loaded and attached until one works. The error
// wraps [ErrUnsupported] and has the reason of every point.
func ResolveAttach(want vocab.Attach) (vocab.Attach, error) {
	order := vocab.AttachOrder()
	if want != vocab.AttachAuto && want != "" {
		order = []vocab.Attach{want}
	}
	var reasons []error
	for _, at := range order {
		err := tryAttach(at)
		if err == nil {
			return at, nil
		}
		var locked *LockdownError
		var limit *MemlockError
		switch {
		case errors.As(err, &locked):
			return "", fmt.Errorf("attach to execve: %w", locked)
		case errors.As(err, &limit):
			return "", fmt.Errorf("attach to execve: %w", limit) // that is said once, and not for each
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", at, err))
	}
	return "", fmt.Errorf("attach to execve: %w: %w", ErrUnsupported, errors.Join(reasons...))
}

func tryAttach(attach vocab.Attach) error {
	if _, err := programSuffix(attach); err != nil {
		return err
	}
	// The perf twin: its maps exist on every kernel that can run either.
	twin, err := Load(Options{Transport: vocab.Perf, Attach: attach})
	if err != nil {
		return err
	}
	defer twin.Close()
	return twin.Attach()
}

// ProbeTransport loads the twin with the attach point, and returns why the kernel cannot
// have it.
func ProbeTransport(transport vocab.Transport, attach vocab.Attach) error {
	twin, err := Load(Options{Transport: transport, Attach: attach})
	if err != nil {
		return err
	}
	return twin.Close()
}
