// SPDX-License-Identifier: MIT

package hello

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/transport"
)

// fakeTwin and fakeReader fail as a test configures: the real ones fail when the kernel
// is out of memory, or a descriptor was closed.
type fakeTwin struct{ counters, stats, detach error }

func (f *fakeTwin) Detach() error                     { return f.detach }
func (f *fakeTwin) Counters() ([]bpf.Counters, error) { return nil, f.counters }
func (f *fakeTwin) Stats() (bpf.Stats, error)         { return bpf.Stats{}, f.stats }

type fakeReader struct {
	transport.Reader
	read, flush, close error
	flushed, closed    chan struct{}
}

func (f *fakeReader) Read(*transport.Sample) error {
	if f.read != nil {
		return f.read
	}
	select {
	case <-f.flushed:
		return transport.ErrFlushed
	case <-f.closed:
		return os.ErrClosed
	}
}

func (f *fakeReader) Flush() error {
	if f.flush == nil {
		close(f.flushed)
	}
	return f.flush
}

func (f *fakeReader) Close() error {
	close(f.closed)
	return f.close
}

// TestTraceErrors: any failure while hello runs ends it with that error; it is reported
// once.
func TestTraceErrors(t *testing.T) {
	fails := errors.New("as asked")
	for name, test := range map[string]struct {
		twin   fakeTwin
		reader fakeReader
		ends   bool // by itself
	}{
		"counters": {twin: fakeTwin{counters: fails}, ends: true},
		"stats":    {twin: fakeTwin{stats: fails}, ends: true},
		"read":     {reader: fakeReader{read: fails}, ends: true},
		"detach":   {twin: fakeTwin{detach: fails}},
		"flush":    {reader: fakeReader{flush: fails}},
		"close":    {reader: fakeReader{close: fails}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				test.reader.flushed, test.reader.closed = make(chan struct{}), make(chan struct{})
				var stderr bytes.Buffer
				ended := make(chan error, 1)
				go func() { ended <- follow(ctx, io.Discard, &stderr, &test.twin, &test.reader) }()
				if !test.ends {
					synctest.Wait()
					cancel()
				}
				err := <-ended
				if !errors.Is(err, fails) || strings.Count(err.Error(), fails.Error()) != 1 {
					t.Errorf("got %q, want %q", err, fails)
				}
				select {
				case <-test.reader.closed:
				default:
					t.Error("the reader is open")
				}
			})
		})
	}
}

// TestTraceEnds: without a failure no error is returned.
func TestTraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		reader := fakeReader{flushed: make(chan struct{}), closed: make(chan struct{})}
		if err := follow(ctx, io.Discard, io.Discard, &fakeTwin{}, &reader); err != nil {
			t.Error(err)
		}
	})
}
