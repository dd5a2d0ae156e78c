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

// Hello configures how the hello tracer is traced, for each transport and attach point.
type Hello struct {
	// Args returns this program's arguments to run as the tracer, for a transport, an
	// attach point, and the pin of its messages, which may be empty.
	Args   func(transport vocab.Transport, attach vocab.Attach, pin string) []string
	Attach vocab.Attach
	// Attachments traces it once for each way to attach instead, and Cost measures the
	// cost of each.
	Attachments, Cost bool
}

// tracerPin is the pin of the traced tracer's messages. It differs from the default,
// which another tracer may use.
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
	// The tracer's probing of attach points is excluded.
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

// attachments traces it once for each way to attach. A missing one is not an error,
// unless the kernel has none.
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
			_ = os.Remove(pin) // the tracer may have been killed
		}
		return nil, fmt.Errorf("watch hello over %s, attached by %s: %w", kind, attach, err)
	}
	return calls, nil
}

// reservePin reserves the pin for this process until it is released, and removes what a
// killed process has left. The path is fixed, since it is part of the output; it is empty
// without a bpffs.
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
