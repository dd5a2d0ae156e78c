// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

func TestOpenRefuses(t *testing.T) {
	for _, size := range []int{-1, 0, 1, 4095, 12288} {
		if _, err := Open(vocab.Perf, nil, Options{RingBytes: size}); err == nil {
			t.Errorf("ring of %d bytes accepted", size)
		}
	}
	if _, err := Open("pigeon", nil, Options{RingBytes: 4096}); err == nil {
		t.Error("unknown transport accepted")
	}
}

// TestCapacity fills the rings of this kernel without reading: exactly as many
// events fit as the formula says, and the next is refused.
func TestCapacity(t *testing.T) {
	testutils.Root(t)
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	token := uint64(1)
	for _, payload := range []int{0, 1, 3, 4, 5, 8, 12, 100, 333, 1000, 1983, 1984, 2000, 3900} {
		for _, kind := range sending(t, attach) {
			if kind.Spec().Family.Stages {
				continue // it holds records, not events
			}
			t.Run(fmt.Sprintf("%s/%d", kind, payload), func(t *testing.T) {
				want := kind.Capacity(4096, vocab.EventBytes+payload)
				fill(t, kind, attach, payload, want, &token)
			})
		}
	}
}

// sending are the transports of this kernel that send events.
func sending(t *testing.T, attach vocab.Attach) []vocab.Transport {
	t.Helper()
	return slices.DeleteFunc(vocab.Transports(), func(kind vocab.Transport) bool {
		err := bpf.ProbeTransport(kind, attach)
		if err != nil && !errors.Is(err, bpf.ErrUnsupported) {
			t.Fatal(err)
		}
		return err != nil || kind.Spec().Family.Totals
	})
}

// openPage loads a twin with rings of one page and opens its reader, both until
// the end of the test.
func openPage(t *testing.T, kind vocab.Transport, attach vocab.Attach, payload int) (*bpf.Twin, Reader) {
	t.Helper()
	twin, err := bpf.Load(bpf.Options{Transport: kind, Attach: attach, RingBytes: 4096, EventBytes: vocab.EventBytes + payload, Mark: workload.Mark()})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Open(kind, twin.Rings(), Options{RingBytes: 4096, EventBytes: vocab.EventBytes + payload, Flush: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(errors.Join(err, twin.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(reader.Close(), twin.Close()); err != nil {
			t.Error(err)
		}
	})
	return twin, reader
}

func fill(t *testing.T, kind vocab.Transport, attach vocab.Attach, payload, want int, token *uint64) {
	twin, reader := openPage(t, kind, attach, payload)
	const beyond = 3
	load, err := workload.New(t.Context(), workload.Options{Count: want + beyond, CPUs: []int{0}, UIDs: []uint32{0}, FirstToken: *token})
	if err != nil {
		t.Fatal(err)
	}
	*token += uint64(want + beyond)
	defer load.Close()
	if err := twin.Attach(); err != nil {
		t.Fatal(err)
	}
	if _, err := load.Run(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(twin.Detach(), reader.Flush()); err != nil {
		t.Fatal(err)
	}
	got := 0
	var sample Sample
	for {
		err := reader.Read(&sample)
		if errors.Is(err, ErrFlushed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var event bpf.Event
		if err := bpf.Decode(sample.Raw, &event); err != nil {
			t.Fatal(err)
		}
		if wantBytes := kind.SampleBytes(vocab.EventBytes + payload); len(sample.Raw) != wantBytes {
			t.Errorf("sample of %d bytes, want %d", len(sample.Raw), wantBytes)
		}
		got++
	}
	if got != want {
		t.Errorf("%d events fitted, the formula says %d", got, want)
	}
	state, err := reader.State()
	if err != nil {
		t.Fatal(err)
	}
	if state.ResidualBytes != 0 {
		t.Errorf("%d bytes left after the drain", state.ResidualBytes)
	}
	if position := uint64(want * kind.FootprintBytes(vocab.EventBytes+payload)); kind == vocab.Ringbuf && state.ProducerBytes != position {
		t.Errorf("producer at %d, want %d", state.ProducerBytes, position)
	}
}

// TestCloseEndsRead: a reader that waits is not left behind.
func TestCloseEndsRead(t *testing.T) {
	testutils.Root(t)
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range sending(t, attach) {
		_, reader := openPage(t, kind, attach, 0)
		ended := make(chan error)
		go func() {
			var sample Sample
			ended <- reader.Read(&sample)
		}()
		runtime.Gosched()
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: read ended with %v", kind, err)
		}
		if err := reader.Close(); err != nil {
			t.Errorf("%s: second close: %v", kind, err)
		}
	}
}
