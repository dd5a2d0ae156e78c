// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/ringtwin/ringtwin/bpf"
	"golang.org/x/sys/unix"
)

// The system call that programs are attached to: other processes rarely call it.
const (
	triggerGroup = "syscalls"
	triggerName  = "sys_enter_getpgid"
	kprobeType   = "/sys/bus/event_source/devices/kprobe/type"
)

// Functions of the kernel that kprobes are put on.
var kprobeTarget, kprobeOther = syscallFunction("getpgid"), syscallFunction("getsid")

func syscallFunction(name string) string {
	if runtime.GOARCH == "arm64" {
		return "__arm64_sys_" + name
	}
	return "__x64_sys_" + name
}

// trigger makes the system call, for a process that does not exist.
func trigger() {
	const nobody = 1<<31 - 1
	_, _ = unix.Getpgid(nobody)
}

// attachments are the attach methods that experiments compare.
type attachment struct {
	name    string
	program ebpf.ProgramType
	// open returns the descriptor of a perf event; nil: it is a raw tracepoint.
	open func() (int, error)
}

var (
	byTracepoint    = attachment{"tracepoint", ebpf.TracePoint, openTracepoint}
	byKprobe        = attachment{"kprobe", ebpf.Kprobe, openKprobe}
	byRawTracepoint = attachment{"raw-tracepoint", ebpf.RawTracepoint, nil}
)

// counting is a program that counts the trigger's calls in a map.
func (a attachment) counting(counter *ebpf.Map) (*ebpf.Program, error) {
	var code asm.Instructions
	if a.open == nil { // it runs for every system call: the second argument is its number
		code = asm.Instructions{
			argument(asm.R1, 1),
			asm.JNE.Imm(asm.R1, unix.SYS_GETPGID, "end"),
		}
	}
	code = append(code, addOne(counter)...)
	return tryLoad("counting", a.program, append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return()))
}

// tracepoint opens one until the end of the experiment.
func (t *T) tracepoint(group, name string) int {
	fd, err := openTracepointOf(group, name)
	t.must("open tracepoint", err)
	t.after(func() error { return unix.Close(fd) })
	return fd
}

func openTracepoint() (int, error) { return openTracepointOf(triggerGroup, triggerName) }

func openTracepointOf(group, name string) (int, error) {
	id, err := bpf.TracepointID(group, name)
	if err != nil {
		return -1, err
	}
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id, Sample_type: unix.PERF_SAMPLE_RAW, Sample: 1, Wakeup: 1}
	return openEvent(attr)
}

func openKprobe() (int, error) { return openKprobeOn(kprobeTarget) }

// setProgram attaches a program to a perf event that is open.
func (t *T) setProgram(event int, p *ebpf.Program) {
	t.must("set program of perf event", unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, p.FD()))
	t.must("enable perf event", unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0))
}

// openKprobeOn needs no tracefs: the event names the function.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/trace_event_perf.c
func openKprobeOn(function string) (int, error) {
	text, err := os.ReadFile(kprobeType)
	if err != nil {
		return -1, cannotError("this kernel is built without kprobes")
	}
	kind, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return -1, fmt.Errorf("read type of kprobes: %w", err)
	}
	name, err := unix.BytePtrFromString(function)
	if err != nil {
		return -1, err
	}
	fd, err := openEvent(unix.PerfEventAttr{Type: uint32(kind), Ext1: uint64(uintptr(unsafe.Pointer(name)))})
	runtime.KeepAlive(name)
	return fd, err
}

// openEvent opens an event of any process. Its program runs on every CPU:
// perf_event_attach_bpf_prog() in
// https://elixir.bootlin.com/linux/v6.12/source/kernel/trace/bpf_trace.c
func openEvent(attr unix.PerfEventAttr) (int, error) {
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open perf event: %w", err)
	}
	return fd, nil
}
