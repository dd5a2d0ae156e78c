// SPDX-License-Identifier: MIT

package vocab

import "strings"

// Attach is where a twin hooks into a system call.
type Attach string

// The attach points.
const (
	// AttachAuto takes the first of [AttachOrder] that works on a kernel.
	AttachAuto Attach = "auto"
	// AttachTracepoint is the stable interface: syscalls/sys_enter_execve.
	AttachTracepoint Attach = "tracepoint"
	// AttachRawTracepoint is sys_enter: it runs on every system call.
	AttachRawTracepoint Attach = "raw-tracepoint"
	// AttachKprobe is a probe on the kernel function of execve, as in the book.
	AttachKprobe Attach = "kprobe"
	// AttachFentry is a trampoline on the same function; it needs kernel BTF.
	AttachFentry Attach = "fentry"
	// AttachTracepointIoctl and AttachKprobeIoctl use no BPF link, like all before 5.15:
	// the program belongs to the perf event.
	AttachTracepointIoctl Attach = "tracepoint-ioctl"
	AttachKprobeIoctl     Attach = "kprobe-ioctl"
)

// Attaches lists all but [AttachAuto], grouped by hook.
func Attaches() []Attach {
	return []Attach{AttachTracepoint, AttachTracepointIoctl, AttachKprobe, AttachKprobeIoctl, AttachFentry, AttachRawTracepoint}
}

// AttachOrder is the order in which [AttachAuto] tries: first stable points without cost
// for other programs, last those with most kernel requirements.
func AttachOrder() []Attach {
	return []Attach{AttachTracepoint, AttachKprobe, AttachFentry, AttachRawTracepoint}
}

// AttachWords are all words for an attach point, with commas between.
func AttachWords() string {
	return strings.ReplaceAll(Join(append([]Attach{AttachAuto}, Attaches()...)), ", ", ",")
}
