// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// helloCmd is the live tracer of the book, and what talks to one that runs.
type helloCmd struct {
	Trace traceCmd `cmd:"" default:"withargs" help:"Trace every execve on this kernel, over either transport, until Ctrl-C. This is what hello alone does."`
	Set   setCmd   `cmd:"" help:"Change the messages of a tracer that runs."`
	Dump  dumpCmd  `cmd:"" help:"Print the messages of a tracer that runs, as bpftool map dump does."`
}

// traceCmd is the tracer.
type traceCmd struct {
	Transport string   `default:"ringbuf" enum:"perf,ringbuf" help:"How events leave the kernel: ${enum}."`
	Message   []string `help:"The message of a user, in at most 12 bytes. May be repeated. Default: 0=Hey root! and 501=Hi user 501!" placeholder:"UID=TEXT" sep:"none"`
	Attach    string   `default:"auto" enum:"${attaches}" help:"Where to hook into execve: ${enum}."`
	Pin       string   `default:"${pin}" help:"Where the map of the messages is pinned while the tracer runs; empty: nowhere. Default: ${default}, if there is a BPF file system." placeholder:"PATH"`
}

// defaultPin is where a tracer's messages are found.
const defaultPin = "/sys/fs/bpf/ringtwin/config"

// helloRingBytes is one ring's size.
const helloRingBytes = 256 << 10

// lossInterval is how often lost events are looked for.
const lossInterval = time.Second

// Run prints a line for every execve until the context ends.
func (h *traceCmd) Run(e *env) (err error) {
	messages := trial.Messages()
	if len(h.Message) > 0 {
		if messages, err = parseMessages(h.Message); err != nil {
			return usageError{err}
		}
	}
	attach := vocab.Attach(h.Attach)
	if attach == vocab.AttachAuto {
		if attach, err = bpf.ResolveAttach(attach); err != nil {
			return explainPermission(err)
		}
	}
	kind := vocab.Transport(h.Transport)
	twin, err := bpf.Load(bpf.Options{Transport: kind, Attach: attach, RingBytes: helloRingBytes, AllExecs: true})
	if err != nil {
		return explainPermission(err)
	}
	defer twin.Close()
	for _, uid := range slices.Sorted(maps.Keys(messages)) {
		if err := twin.SetMessage(uid, messages[uid]); err != nil {
			return err
		}
	}
	unpin, unpinned, err := h.pin(twin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unpin()) }()
	reader, err := transport.Open(kind, twin.Events(), transport.Options{RingBytes: helloRingBytes})
	if err != nil {
		return err
	}
	if err := twin.Attach(); err != nil {
		return errors.Join(explainPermission(err), reader.Close())
	}
	fmt.Fprintf(e.stderr, "tracing execve by %s over %s, Ctrl-C ends it\n", attach, kind)
	if unpinned != "" {
		fmt.Fprintln(e.stderr, unpinned)
	}
	return printTrace(e, twin, reader)
}

// pin gives the messages a name. Without a BPF file system only the default pin
// is done without, and why says so.
func (h *traceCmd) pin(twin *bpf.Twin) (unpin func() error, why string, err error) {
	none := func() error { return nil }
	if h.Pin == "" {
		return none, "", nil
	}
	unpin, err = twin.Config().Pin(h.Pin)
	switch {
	case errors.Is(err, bpf.ErrNoBPFFS) && h.Pin == defaultPin:
		return none, fmt.Sprintf("set and dump cannot find this tracer: %v", err), nil
	case errors.Is(err, bpf.ErrPinned):
		err = fmt.Errorf("%w: by a tracer that runs, or one that was killed: give --pin another path, or remove the file", err)
	}
	return unpin, "", err
}

// parseMessages reads UID=TEXT words.
func parseMessages(words []string) (map[uint32]string, error) {
	messages := map[uint32]string{}
	for _, word := range words {
		uid, text, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("message %q: want UID=TEXT", word)
		}
		n, err := strconv.ParseUint(uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("message %q: uid %q is not a number from 0 to %d", word, uid, uint32(1<<32-1))
		}
		if _, err := bpf.NewMessage(text); err != nil {
			return nil, err
		}
		messages[uint32(n)] = text
	}
	return messages, nil
}

// explainPermission says what is needed, and offers what needs less, to a user who
// is not root. What root may not do has another reason.
func explainPermission(err error) error {
	if os.Geteuid() != 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		return errors.New("tracing on this kernel needs root, or CAP_BPF and CAP_PERFMON: try sudo; in a throwaway machine it needs neither, as in: ringtwin syscalls 6.1")
	}
	return err
}

// liveTwin is a twin that is attached.
type liveTwin interface {
	Detach() error
	Counters() ([]bpf.Counters, error)
	Stats() (bpf.Stats, error)
}

// printTrace prints events until the context ends, then what was still on its way. It
// ends early where events can no longer be read, or losses be counted.
func printTrace(e *env, twin liveTwin, reader transport.Reader) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	printed := make(chan error, 1)
	go func() {
		printed <- printEvents(e.stdout, reader)
		cancel() // it ends early only with an error
	}()
	lost := uint64(0)
	ticker := time.NewTicker(lossInterval)
	defer ticker.Stop()
	var err error
	for ctx.Err() == nil && err == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			err = announceLoss(e.stderr, twin, &lost)
		}
	}
	err = errors.Join(err, twin.Detach())
	if flushErr := reader.Flush(); flushErr != nil {
		// Only this ends the printing then.
		return errors.Join(err, flushErr, reader.Close(), <-printed)
	}
	if err = errors.Join(err, <-printed); err == nil {
		err = announceLoss(e.stderr, twin, &lost)
	}
	return errors.Join(err, reader.Close())
}

// printEvents returns when the reader is flushed.
func printEvents(w io.Writer, reader transport.Reader) error {
	fmt.Fprintf(w, "%-8s %-8s %-16s %s\n", "PID", "UID", "COMMAND", "MESSAGE")
	var sample transport.Sample
	var event bpf.Event
	for {
		err := reader.Read(&sample)
		if errors.Is(err, transport.ErrFlushed) || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if sample.Lost > 0 {
			continue // counted in the program, where every transport can be
		}
		if err := bpf.Decode(sample.Raw, &event); err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		_, err = fmt.Fprintf(w, "%-8d %-8d %-16s %s\n", event.PID, event.UID, printable(event.Command[:]), printable(event.Message[:]))
		if err != nil {
			return err
		}
	}
}

// printable makes a name that any user can choose harmless to a terminal.
func printable(field []byte) string {
	text := strconv.Quote(bpf.Text(field))
	return text[1 : len(text)-1]
}

// announceLoss tells how many events the kernel refused since the last time.
func announceLoss(w io.Writer, twin liveTwin, lost *uint64) error {
	perCPU, err := twin.Counters()
	if err != nil {
		return err
	}
	var now uint64
	for _, cpu := range perCPU {
		for _, n := range cpu.Failed() {
			now += n
		}
	}
	stats, err := twin.Stats()
	if err != nil {
		return err
	}
	now += stats.Misses
	if now > *lost {
		fmt.Fprintf(w, "lost %d events: the ring was full, or the kernel skipped the program\n", now-*lost)
	}
	*lost = now
	return nil
}
