// SPDX-License-Identifier: MIT

package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Hello says how the tracer is watched that every transport and attach point has.
type Hello struct {
	// Args make this program the tracer, for a transport, an attach point, and where it
	// pins its messages, which may be nowhere.
	Args   func(transport vocab.Transport, attach vocab.Attach, pin string) []string
	Attach vocab.Attach
	// Attachments watches it once for each way to attach instead, and Cost measures what
	// each costs.
	Attachments, Cost bool
}

// tracerPin is where the tracer that is watched pins its messages: not where one
// that runs has its own.
const tracerPin = "/sys/fs/bpf/ringtwin/syscalls"

// Watch watches the tracer on the running kernel. It needs root.
func (h *Hello) Watch(ctx context.Context) (*Trace, error) {
	cpus, err := trial.CPUs()
	if err != nil {
		return nil, err
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("read the kernel's release: %w", err)
	}
	pin, unreserve, err := reservePin()
	if err != nil {
		return nil, err
	}
	defer unreserve()
	taken := &Trace{Release: unix.ByteSliceToString(uts.Release[:]), CPUs: len(cpus)}
	if h.Attachments {
		taken.Attachments, err = h.attachments(ctx, pin)
		return taken, err
	}
	// What the tracer would try first is no part of it.
	attach, err := bpf.ResolveAttach(h.Attach)
	if err != nil {
		return nil, err
	}
	taken.Attach = string(attach)
	for _, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
		calls, err := h.calls(ctx, kind, attach, pin)
		if err != nil {
			return nil, err
		}
		taken.Sequences = append(taken.Sequences, Sequence{Transport: string(kind), Calls: calls})
	}
	return taken, nil
}

// attachments watches it once for each way to attach. One that the kernel does not have is
// no error, unless it has none.
func (h *Hello) attachments(ctx context.Context, pin string) (all []Attachment, err error) {
	if _, err := bpf.ResolveAttach(vocab.AttachAuto); err != nil {
		return nil, err
	}
	for _, attach := range vocab.Attaches() {
		a := Attachment{Attach: string(attach)}
		if _, err := bpf.ResolveAttach(attach); err != nil {
			a.Unsupported, _, _ = strings.Cut(err.Error(), "\n")
			all = append(all, a)
			continue
		}
		calls, err := h.calls(ctx, vocab.Ringbuf, attach, pin)
		if err != nil {
			return nil, err
		}
		a.Calls = Attaching(calls)
		if h.Cost {
			if a.Cost, err = MeasureCost(attach); err != nil {
				return nil, fmt.Errorf("measure the cost of %s: %w", attach, err)
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// calls are those of the tracer.
func (h *Hello) calls(ctx context.Context, kind vocab.Transport, attach vocab.Attach, pin string) ([]Call, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	calls, err := Take(ctx, append([]string{self}, h.Args(kind, attach, pin)...))
	if err != nil {
		if pin != "" {
			_ = os.Remove(pin) // it may have been killed
		}
		return nil, fmt.Errorf("watch hello over %s, attached by %s: %w", kind, attach, err)
	}
	return calls, nil
}

// reservePin keeps the pin for this process until it is released, and takes away
// what one that was killed has left there. The path is always the same, for it is
// part of what is shown; it is empty where there is no bpffs.
func reservePin() (path string, release func(), err error) {
	if bpf.OnBPFFS(tracerPin) != nil {
		return "", func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(filepath.Dir(tracerPin)))
	if err != nil {
		return "", nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another ringtwin syscalls is at work on this kernel: wait for its end")
	}
	if err == nil {
		if err = os.Remove(tracerPin); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return "", nil, errors.Join(err, dir.Close())
	}
	return tracerPin, func() { _ = dir.Close() }, nil
}
