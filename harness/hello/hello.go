// SPDX-License-Identifier: MIT

// Package hello is the live tracer of the book: it prints a line for every execve on the
// running kernel, with the message that a map holds for its user.
package hello

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
	"github.com/ringtwin/ringtwin/bpf/mapdump"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// DefaultPin is the default path of a tracer's pinned message map.
const DefaultPin = "/sys/fs/bpf/ringtwin/config"

// ringBytes is one ring's size.
const ringBytes = 256 << 10

// lossInterval is the interval between checks for lost events.
const lossInterval = time.Second

// Tracer is the configuration of a tracer of execve.
type Tracer struct {
	Transport vocab.Transport
	Attach    vocab.Attach
	// Messages are those of users, by uid.
	Messages map[uint32]string
	// Pin is the path at which the message map is pinned while the tracer runs; empty: it
	// is not pinned. Without a BPF file system [DefaultPin] is skipped, and another path
	// is an error.
	Pin string
}

// Run prints a line for every execve until the context ends, then the events still in the
// rings. It needs root, or CAP_BPF and CAP_PERFMON.
func (t *Tracer) Run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	attach := t.Attach
	if attach == vocab.AttachAuto {
		if attach, err = bpf.ResolveAttach(attach); err != nil {
			return err
		}
	}
	twin, err := bpf.Load(bpf.Options{Transport: t.Transport, Attach: attach, RingBytes: ringBytes, AllExecs: true})
	if err != nil {
		return err
	}
	defer twin.Close()
	for _, uid := range slices.Sorted(maps.Keys(t.Messages)) {
		if err := twin.SetMessage(uid, t.Messages[uid]); err != nil {
			return err
		}
	}
	unpin, unpinned, err := t.pin(twin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unpin()) }()
	reader, err := transport.Open(t.Transport, twin.Rings(), transport.Options{RingBytes: ringBytes})
	if err != nil {
		return err
	}
	if err := twin.Attach(); err != nil {
		return errors.Join(err, reader.Close())
	}
	fmt.Fprintf(stderr, "tracing execve by %s over %s, but not execveat nor 32-bit programs; Ctrl-C ends it\n", attach, t.Transport)
	if unpinned != "" {
		fmt.Fprintln(stderr, unpinned)
	}
	return follow(ctx, stdout, stderr, twin, reader)
}

// pin pins the message map. Without a BPF file system the default pin is skipped, and why
// has the reason.
func (t *Tracer) pin(twin *bpf.Twin) (unpin func() error, why string, err error) {
	none := func() error { return nil }
	if t.Pin == "" {
		return none, "", nil
	}
	unpin, err = twin.Config().Pin(t.Pin)
	switch {
	case errors.Is(err, bpf.ErrNoBPFFS) && t.Pin == DefaultPin:
		return none, fmt.Sprintf("set and dump cannot find this tracer: %v", err), nil
	case errors.Is(err, bpf.ErrPinned):
		err = fmt.Errorf("%w: by a tracer that runs, or one that was killed: give --pin another path, or remove the file", err)
	}
	return unpin, "", err
}

// SetMessages changes the messages of a running tracer through its pinned map, one by
// one. The next program of a user has the new message.
func SetMessages(pin string, messages map[uint32]string) error {
	config, err := bpf.OpenConfig(pin)
	if err != nil {
		return err
	}
	defer config.Close()
	for _, uid := range slices.Sorted(maps.Keys(messages)) {
		if err := config.SetMessage(uid, messages[uid]); err != nil {
			return err
		}
	}
	return nil
}

// Dump prints all elements of a pinned map, of a tracer or any other, in a format of
// bpftool.
func Dump(w io.Writer, pin string, asJSON, pretty bool) error {
	format := mapdump.Plain
	switch {
	case asJSON:
		format = mapdump.JSON
	case pretty:
		format = mapdump.Pretty
	}
	m, err := bpf.OpenPin(pin)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := mapdump.Dump(w, m, format); err != nil {
		return fmt.Errorf("dump %s: %w", pin, err)
	}
	return nil
}

// ParseMessages reads UID=TEXT words.
func ParseMessages(words []string) (map[uint32]string, error) {
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

// liveTwin is a twin that is attached.
type liveTwin interface {
	Detach() error
	Counters() ([]bpf.Counters, error)
	Stats() (bpf.Stats, error)
}

// follow prints events until the context ends, then the events still in the rings. It
// ends early if events cannot be read, or losses cannot be counted.
func follow(ctx context.Context, stdout, stderr io.Writer, twin liveTwin, reader transport.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	printed := make(chan error, 1)
	go func() {
		printed <- printEvents(stdout, reader)
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
			err = announceLoss(stderr, twin, &lost)
		}
	}
	err = errors.Join(err, twin.Detach())
	if flushErr := reader.Flush(); flushErr != nil {
		// Only this ends the printing in that case.
		return errors.Join(err, flushErr, reader.Close(), <-printed)
	}
	if err = errors.Join(err, <-printed); err == nil {
		err = announceLoss(stderr, twin, &lost)
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
			continue // losses are counted in the program, for every transport
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

// printable escapes a name that any user can choose, for a terminal.
func printable(field []byte) string {
	text := strconv.Quote(bpf.Text(field))
	return text[1 : len(text)-1]
}

// announceLoss prints how many events the kernel refused since the last time.
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
