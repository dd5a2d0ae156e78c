// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ringtwin/ringtwin/harness/trace"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// syscalls runs the command and returns what it found on its only kernel.
func syscalls(t *testing.T, args ...string) trace.Kernel {
	t.Helper()
	kernels := syscallsOf(t, args...)
	if len(kernels) != 1 {
		t.Fatalf("%d kernels", len(kernels))
	}
	return kernels[0]
}

// syscallsOf returns what it found on several.
func syscallsOf(t *testing.T, args ...string) []trace.Kernel {
	t.Helper()
	return syscallsBy(t, program, args...)
}

// syscallsBy returns what a program found that is not the one that most tests run.
func syscallsBy(t *testing.T, program string, args ...string) []trace.Kernel {
	t.Helper()
	stdout, stderr, code := runs(t, program, append([]string{"syscalls", "--json"}, args...)...)
	var kernels []trace.Kernel
	if err := json.Unmarshal([]byte(stdout), &kernels); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v\n%s", code, err, stderr)
	}
	return kernels
}

// asked are the calls of a transport that are not probes, as text.
func asked(t *testing.T, c *trace.Trace, transport string) []string {
	t.Helper()
	var calls []string
	for _, s := range c.Sequences {
		for _, call := range s.Calls {
			if s.Transport == transport && !call.Probe {
				calls = append(calls, call.String())
			}
		}
	}
	return calls
}

// inOrder fails unless all of the calls are made, in this order. Each is a piece of
// a call's text.
func inOrder(t *testing.T, calls, want []string) {
	t.Helper()
	at := 0
	for _, piece := range want {
		i := slices.IndexFunc(calls[at:], func(call string) bool { return strings.Contains(call, piece) })
		if i < 0 {
			t.Errorf("no %s after\n%s", piece, strings.Join(calls[:at], "\n"))
			return
		}
		at += i + 1
	}
}

// chapterOf is the sequence of the book: BTF, maps, program, messages, rings, and
// the attachment.
func chapterOf(transport string, cpus int, attach ...string) []string {
	want := []string{
		"bpf(BPF_BTF_LOAD, btf_size=185) = <BTF of config>",
		"map_type=Hash, key_size=4, value_size=13, max_entries=1024, map_name=config, btf_fd=<BTF of config>, btf_key_type_id=1, btf_value_type_id=2) = <config>",
	}
	if transport == "perf" {
		want = append(want, fmt.Sprintf("map_type=PerfEventArray, key_size=4, value_size=4, max_entries=%d, map_name=events) = <events>", cpus))
	} else {
		want = append(want, "map_type=RingBuf, max_entries=262144, map_name=events) = <events>")
	}
	want = append(want,
		"bpf(BPF_PROG_LOAD, prog_type=",
		`bpf(BPF_MAP_UPDATE_ELEM, map_fd=<config>, key=0, value={"message":"Hey root!"}) = 0`,
		`bpf(BPF_MAP_UPDATE_ELEM, map_fd=<config>, key=501, value={"message":"Hi user 501!"}) = 0`,
		"epoll_create1(flags=EPOLL_CLOEXEC) = <epoll>")
	if transport == "perf" {
		for cpu := range cpus {
			want = append(want,
				fmt.Sprintf("config=PERF_COUNT_SW_BPF_OUTPUT, sample_type=PERF_SAMPLE_RAW, wakeup_watermark=1, pid=-1, cpu=%d, group_fd=-1, flags=PERF_FLAG_FD_CLOEXEC) = <ring of CPU %d>", cpu, cpu),
				fmt.Sprintf("mmap(length=266240, prot=PROT_READ|PROT_WRITE, fd=<ring of CPU %d>) = address", cpu),
				fmt.Sprintf("epoll_ctl(EPOLL_CTL_ADD, epfd=<epoll>, fd=<ring of CPU %d>) = 0", cpu))
		}
		for cpu := range cpus {
			want = append(want, fmt.Sprintf("bpf(BPF_MAP_UPDATE_ELEM, map_fd=<events>, key=%d, value=<ring of CPU %d>) = 0", cpu, cpu))
		}
	} else {
		want = append(want,
			"epoll_ctl(EPOLL_CTL_ADD, epfd=<epoll>, fd=<events>) = 0",
			"mmap(length=4096, prot=PROT_READ|PROT_WRITE, fd=<events>) = address",
			"mmap(length=528384, prot=PROT_READ, fd=<events>, offset=4096) = address")
	}
	want = append(want, attach...)
	return append(want, "(epfd=<epoll>, maxevents=")
}

// TestSyscalls: the book's sequence, with 2 CPUs and with 4; and the counts for N CPUs,
// found with these two, are true of 1.
func TestSyscalls(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	usual := testkernels.Name(t, testkernels.Usual)
	found := syscalls(t, usual, "--cpus", "2,4")
	for i, cpus := range []int{2, 4} {
		for _, transport := range []string{"perf", "ringbuf"} {
			t.Run(fmt.Sprintf("%s/%d", transport, cpus), func(t *testing.T) {
				inOrder(t, asked(t, &found.Traces[i], transport), chapterOf(transport, cpus,
					`openat(path="/sys/kernel/tracing/events/syscalls/sys_enter_execve/id") = <id>`,
					"perf_event_open(type=PERF_TYPE_TRACEPOINT, config=",
					"bpf(BPF_LINK_CREATE, prog_fd=<handle_tracepoi>, target_fd=<tracepoint event>, attach_type=PerfEvent) = <link>"))
			})
		}
	}
	one := syscalls(t, usual, "--cpus", "1")
	for i, g := range found.Growth {
		var base, slope int
		switch {
		case g.Law == "N":
			slope = 1
		case strings.Contains(g.Law, " + N"):
			slope = 1
			_, _ = fmt.Sscanf(g.Law, "%d + N", &base)
		case strings.Contains(g.Law, "N"):
			if _, err := fmt.Sscanf(g.Law, "%d + %d N", &base, &slope); err != nil {
				t.Errorf("%s: law %q: %v", g.What, g.Law, err)
			}
		default:
			if _, err := fmt.Sscanf(g.Law, "%d", &base); err != nil {
				t.Errorf("%s over %s: %v with %v CPUs is no law: %v", g.What, g.Transport, g.Counts, g.CPUs, err)
			}
		}
		if got := one.Growth[i]; got.What != g.What || got.Transport != g.Transport || got.Counts[0] != base+slope {
			t.Errorf("with 1 CPU %s %s is %d, and %s %s says %q", got.Transport, got.What, got.Counts[0], g.Transport, g.What, g.Law)
		}
		if grows := slope > 0; grows && g.Transport == "ringbuf" || !grows && g.Transport == "perf" && g.What == trace.AllCalls {
			t.Errorf("%s over %s: %q", g.What, g.Transport, g.Law)
		}
	}
}

// TestSyscallsNative: on this kernel too, and the probes are none of the calls.
func TestSyscallsNative(t *testing.T) {
	testutils.Root(t)
	found := syscalls(t)
	c := &found.Traces[0]
	for i, transport := range []string{"perf", "ringbuf"} {
		inOrder(t, asked(t, c, transport), chapterOf(transport, c.CPUs, "= <tracepoint event>"))
		probes := 0
		for _, call := range c.Sequences[i].Calls {
			if call.Probe {
				probes++
			}
			if strings.Contains(call.String(), "feature_test") && !call.Probe {
				t.Errorf("a probe is no such: %s", call.String())
			}
		}
		if probes == 0 {
			t.Errorf("%s: no probes", transport)
		}
	}
	if _, err := os.Stat("/sys/fs/bpf/ringtwin/syscalls"); !os.IsNotExist(err) {
		t.Errorf("the pin is still there: %v", err)
	}
}

// TestNotAllowed: a user who may not load programs gets one line with the required
// permission, and with what needs none.
func TestNotAllowed(t *testing.T) {
	testutils.Root(t)
	file, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, args := range []string{"syscalls", "syscalls --attachments", "hello", "hello --attach tracepoint"} {
		// By its descriptor: the directory is root's.
		cmd := exec.Command("/proc/self/fd/3", strings.Fields(args)...)
		cmd.ExtraFiles = []*os.File{file}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		said, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitInfra || strings.Count(string(said), "\n") != 1 {
			t.Errorf("%s: %v, %s", args, err, said)
		}
		for _, want := range []string{"root, or CAP_BPF and CAP_PERFMON", "ringtwin syscalls 6.1"} {
			if !strings.Contains(string(said), want) {
				t.Errorf("%s: no %q in %s", args, want, said)
			}
		}
	}
}

// TestAttachments: the calls behind each way to attach, and no others, on kernels
// that have all of them.
func TestAttachments(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	tracepoint := []string{
		"bpf(BPF_PROG_LOAD, prog_type=TracePoint,",
		`openat(path="/sys/kernel/tracing/events/syscalls/sys_enter_execve/id") = <id>`,
		"perf_event_open(type=PERF_TYPE_TRACEPOINT, config=",
	}
	kprobe := []string{
		"bpf(BPF_PROG_LOAD, prog_type=Kprobe,",
		`openat(path="/sys/bus/event_source/devices/kprobe/type") = <type>`,
		`perf_event_open(type=kprobe, kprobe_func="__x64_sys_execve", pid=-1, cpu=0,`,
	}
	want := map[string][]string{
		"tracepoint": append(slices.Clone(tracepoint), "bpf(BPF_LINK_CREATE, prog_fd=<handle_tracepoi>, target_fd=<tracepoint event>, attach_type=PerfEvent) = <link>"),
		"tracepoint-ioctl": append(slices.Clone(tracepoint),
			"ioctl(PERF_EVENT_IOC_SET_BPF, fd=<tracepoint event>, prog_fd=<handle_tracepoi>) = 0", "ioctl(PERF_EVENT_IOC_ENABLE, fd=<tracepoint event>) = 0"),
		"kprobe": append(slices.Clone(kprobe), "bpf(BPF_LINK_CREATE, prog_fd=<handle_kprobe>, target_fd=<kprobe event>, attach_type=PerfEvent) = <link>"),
		"kprobe-ioctl": append(slices.Clone(kprobe),
			"ioctl(PERF_EVENT_IOC_SET_BPF, fd=<kprobe event>, prog_fd=<handle_kprobe>) = 0", "ioctl(PERF_EVENT_IOC_ENABLE, fd=<kprobe event>) = 0"),
		"fentry": {
			`openat(path="/sys/kernel/btf/vmlinux") = <vmlinux>`, "bpf(BPF_PROG_LOAD, prog_type=Tracing,",
			"bpf(BPF_RAW_TRACEPOINT_OPEN, prog_fd=<handle_fentry>) = <link>",
		},
		"raw-tracepoint": {"bpf(BPF_PROG_LOAD, prog_type=RawTracepoint,", `bpf(BPF_RAW_TRACEPOINT_OPEN, name="sys_enter", prog_fd=<handle_raw_trac>) = <link>`},
	}
	kernels := syscallsOf(t, testkernels.Name(t, testkernels.Usual), testkernels.Name(t, testkernels.Newest), "--attachments")
	if len(kernels) != 2 {
		t.Fatalf("%d kernels", len(kernels))
	}
	for _, k := range kernels {
		t.Run(k.Name, func(t *testing.T) {
			all := k.Traces[0].Attachments
			if len(all) != len(want) {
				t.Errorf("%d ways, want %d", len(all), len(want))
			}
			for _, a := range all {
				var calls []string
				for _, c := range a.Calls {
					calls = append(calls, c.String())
				}
				inOrder(t, calls, want[a.Attach])
				if len(calls) != len(want[a.Attach]) {
					t.Errorf("%s: %d calls, want %d; %s", a.Attach, len(calls), len(want[a.Attach]), a.Unsupported)
				}
			}
		})
	}
}

// TestAttachmentCosts: in virtual time each way costs instructions, and by link as many
// as by ioctl.
func TestAttachmentCosts(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	cost := map[string][2]float64{}
	for _, a := range syscalls(t, testkernels.Name(t, testkernels.Usual), "--attachments", "--clock", "virtual").Traces[0].Attachments {
		if a.Cost == nil {
			t.Fatalf("%s: no cost; %s", a.Attach, a.Unsupported)
		}
		c := [2]float64{a.Cost.EmptyNS - a.Cost.NoneNS, a.Cost.TracerNS - a.Cost.EmptyNS}
		cost[a.Attach] = c
		t.Logf("%s: empty %.1f, tracer %.1f above that", a.Attach, c[0], c[1])
		if c[0] < 20 || c[0] > 5000 || c[1] < 200 || c[1] > 10_000 {
			t.Errorf("%s costs %v instructions", a.Attach, c)
		}
	}
	for _, hook := range []string{"tracepoint", "kprobe"} {
		for i, link := range cost[hook] {
			if ioctl := cost[hook+"-ioctl"][i]; link < ioctl-5 || link > ioctl+5 {
				t.Errorf("%s costs %.1f instructions by link, %.1f by ioctl", hook, link, ioctl)
			}
		}
	}
}
