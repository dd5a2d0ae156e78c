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
)

// Attach says where a twin hooks into execve.
type Attach string

const (
	// AttachAuto takes the first of [AttachOrder] that works on this kernel.
	AttachAuto Attach = "auto"
	// AttachTracepoint is the stable interface: syscalls/sys_enter_execve.
	AttachTracepoint Attach = "tracepoint"
	// AttachRawTracepoint is sys_enter: it runs on every system call.
	AttachRawTracepoint Attach = "raw-tracepoint"
	// AttachKprobe is a probe on the kernel function of execve, as in the book.
	AttachKprobe Attach = "kprobe"
	// AttachFentry is a trampoline on the same function; it needs kernel BTF.
	AttachFentry Attach = "fentry"
	// AttachTracepointIoctl and AttachKprobeIoctl are without a BPF link, as all
	// were before 5.15: the program belongs to the perf event.
	AttachTracepointIoctl Attach = "tracepoint-ioctl"
	AttachKprobeIoctl     Attach = "kprobe-ioctl"
)

// Attaches lists all but [AttachAuto]: the same hooks follow each other.
func Attaches() []Attach {
	return []Attach{AttachTracepoint, AttachTracepointIoctl, AttachKprobe, AttachKprobeIoctl, AttachFentry, AttachRawTracepoint}
}

// AttachOrder is the order in which [AttachAuto] tries: first what is stable
// and costs nobody else anything, last what needs most of the kernel.
func AttachOrder() []Attach {
	return []Attach{AttachTracepoint, AttachKprobe, AttachFentry, AttachRawTracepoint}
}

// ErrUnsupported wraps the kernel's reason when an attach point or a transport
// does not exist there.
var ErrUnsupported = errors.New("not supported by this kernel")

// Workload says which system call a twin hooks into, and what it makes of it.
type Workload string

const (
	// Execve sends one event for each execve.
	Execve Workload = "execve"
	// Storm sends a batch of small events for each getpgid, as the kernel's own
	// benchmark does:
	// https://elixir.bootlin.com/linux/v6.12/source/tools/testing/selftests/bpf/progs/ringbuf_bench.c
	Storm Workload = "storm"
)

// syscall is the system call that causes the events of a workload.
func (w Workload) syscall() string {
	if w == Storm {
		return "getpgid"
	}
	return "execve"
}

// program names the function of twin.bpf.c for the attach point.
func (a Attach) program(w Workload) (string, error) {
	prefix := "handle_"
	if w == Storm {
		prefix = "storm_"
	}
	suffix, err := a.suffix()
	return prefix + suffix, err
}

func (a Attach) suffix() (string, error) {
	if slices.Contains(Attaches(), a) {
		return strings.ReplaceAll(strings.TrimSuffix(string(a), "-ioctl"), "-", "_"), nil
	}
	return "", fmt.Errorf("attach point %q: want auto, %s", a, join(Attaches()))
}

func join(order []Attach) string {
	names := make([]string, len(order))
	for i, a := range order {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}

// link attaches the program.
func (a Attach) link(program *ebpf.Program, w Workload) (io.Closer, error) {
	switch a {
	case AttachTracepoint:
		return linkTracepoint("sys_enter_"+w.syscall(), program)
	case AttachTracepointIoctl:
		return ioctlTracepoint("sys_enter_"+w.syscall(), program)
	case AttachKprobeIoctl:
		return ioctlKprobe(function(w), program)
	case AttachRawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: program})
	case AttachKprobe:
		return link.Kprobe("sys_"+w.syscall(), program, nil)
	default:
		return link.AttachTracing(link.TracingOptions{Program: program})
	}
}

// function is the kernel's behind the system call.
func function(w Workload) string {
	if runtime.GOARCH == "arm64" {
		return "__arm64_sys_" + w.syscall()
	}
	return "__x64_sys_" + w.syscall()
}

// ResolveAttach returns the attach point to use. [AttachAuto] is proved, not
// looked up: each point of [AttachOrder] is loaded and attached until one holds.
// The error wraps [ErrUnsupported] and has every point's reason.
func ResolveAttach(want Attach) (Attach, error) {
	order := AttachOrder()
	if want != AttachAuto && want != "" {
		order = []Attach{want}
	}
	var reasons []error
	for _, attach := range order {
		err := tryAttach(attach)
		if err == nil {
			return attach, nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", attach, err))
	}
	return "", fmt.Errorf("attach to execve: %w: %w", ErrUnsupported, errors.Join(reasons...))
}

func tryAttach(attach Attach) error {
	if _, err := attach.suffix(); err != nil {
		return err
	}
	// The perf twin: its maps exist on every kernel that can run either.
	twin, err := Load(Options{Transport: Perf, Attach: attach})
	if err != nil {
		return err
	}
	defer twin.Close()
	return twin.Attach()
}

// ProbeTransports loads the twins with the attach point, and returns why the
// kernel cannot have one of them.
func ProbeTransports(attach Attach) error {
	for _, transport := range Transports() {
		twin, err := Load(Options{Transport: transport, Attach: attach})
		if err != nil {
			return err
		}
		if err := twin.Close(); err != nil {
			return err
		}
	}
	return nil
}
