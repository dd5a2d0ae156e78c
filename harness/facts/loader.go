// SPDX-License-Identifier: MIT

package facts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// loaderName is the name under which this program executes itself as a loader: a process
// that loads, attaches, and exits.
const loaderName = "ringtwin-loader"

// loaderJob is the task of a loader.
type loaderJob struct {
	Attach     string // the name of an attachment
	Dir        string // a bpffs, to which it pins the map that the program counts in
	PinProgram bool   // and the program, without attaching it
	Event      bool   // attach by the ioctl of a perf event; otherwise by a link
	PinLink    bool
}

// loaderAnswer is a loader's report that it is ready, or why it failed.
type loaderAnswer struct {
	Errno  unix.Errno
	Error  string
	Cannot bool
}

// Loader does the work of a loader and does not return, if this process is one. Every
// program that calls [Run] has to call it first.
func Loader() {
	if len(os.Args) != 2 || os.Args[0] != loaderName {
		return
	}
	var job loaderJob
	err := json.Unmarshal([]byte(os.Args[1]), &job)
	if err == nil {
		raiseMemlock()
		err = job.do()
	}
	var answer loaderAnswer
	if err != nil {
		answer.Error = err.Error()
		answer.Cannot = errors.As(err, new(cannotError))
		_ = errors.As(err, &answer.Errno)
	}
	if json.NewEncoder(os.Stdout).Encode(answer) != nil {
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent says so
	os.Exit(0)                           // and all that is open is closed
}

func (j loaderJob) do() error {
	how := byRawTracepoint
	for _, a := range []attachment{byTracepoint, byKprobe} {
		if a.name == j.Attach {
			how = a
		}
	}
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Name: "counter", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return err
	}
	if err := counter.Pin(filepath.Join(j.Dir, "counter")); err != nil {
		return err
	}
	program, err := how.counting(counter)
	if err != nil {
		return err
	}
	if j.PinProgram {
		return program.Pin(filepath.Join(j.Dir, "program"))
	}
	if j.Event {
		return how.attachByEvent(program)
	}
	attached, err := how.attachByLink(program)
	if err == nil && j.PinLink {
		err = attached.Pin(filepath.Join(j.Dir, "link"))
	}
	return err
}

// attachByEvent attaches by ioctl, until the end of the process.
func (a attachment) attachByEvent(program *ebpf.Program) error {
	fd, err := a.open()
	if err != nil {
		return err
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return fmt.Errorf("set program of perf event: %w", err)
	}
	return unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0)
}

// attachByLink attaches by BPF_LINK_CREATE, which is refused for a perf event before
// 5.15, or BPF_RAW_TRACEPOINT_OPEN.
func (a attachment) attachByLink(program *ebpf.Program) (link.Link, error) {
	if a.open == nil {
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: program})
	}
	event, err := a.open()
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return nil, err
	}
	return link.AttachRawLink(link.RawLinkOptions{Target: event, Program: program, Attach: ebpf.AttachPerfEvent})
}

// child is a loader that is ready.
type child struct {
	t     *T
	cmd   *exec.Cmd
	stdin io.Closer
	ended bool
}

// loader starts a loader and waits until it is ready. A kernel that refuses what it
// does makes the statement not supported.
func (t *T) loader(job loaderJob) *child {
	text, err := json.Marshal(job)
	t.must("describe loader", err)
	cmd := exec.CommandContext(t.ctx, "/proc/self/exe", string(text))
	cmd.Args[0] = loaderName
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	t.must("start loader", err)
	stdout, err := cmd.StdoutPipe()
	t.must("start loader", err)
	t.must("start loader", cmd.Start())
	c := &child{t: t, cmd: cmd, stdin: stdin}
	t.after(func() error { c.stop(); return nil })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	t.must("read from loader", err)
	var answer loaderAnswer
	t.must("read from loader", json.Unmarshal(line, &answer))
	switch {
	case answer.Cannot:
		t.cannot("%s", answer.Error)
	case answer.Errno == unix.EINVAL || answer.Errno == unix.EBADF:
		t.absent(answer.Errno)
	case answer.Error != "":
		t.end(errors.New(answer.Error))
	}
	return c
}

// end lets the loader end, and waits until it has.
func (c *child) end() {
	c.t.must("end loader", c.stop())
}

func (c *child) stop() error {
	if c.ended {
		return nil
	}
	c.ended = true
	return errors.Join(c.stdin.Close(), c.cmd.Wait())
}
