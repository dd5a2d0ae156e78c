// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"testing"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// talk serves a handler on one end of a pipe and returns the other, after ready.
func talk(t *testing.T, handler Handler) (*wire.Writer, *wire.Reader, net.Conn, chan error) {
	t.Helper()
	host, port := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- serve(port, handler)
		port.Close()
	}()
	t.Cleanup(func() { host.Close() })
	in := wire.NewReader(host)
	frame, err := in.Read()
	if err != nil || frame.Kind != wire.Ready {
		t.Fatalf("first frame %q: %v", frame.Kind, err)
	}
	var ready wire.State
	if err := json.Unmarshal(frame.Body, &ready); err != nil || ready.Release == "" || ready.CPUs < 1 {
		t.Fatalf("ready %s: %v", frame.Body, err)
	}
	return wire.NewWriter(host), in, host, ended
}

func echo(_ context.Context, request json.RawMessage, send func(any) error) error {
	switch string(request) {
	case `"fail"`:
		return errors.New("as asked")
	case `"panic"`:
		panic("as asked")
	}
	return errors.Join(send(request), send(request))
}

func TestServe(t *testing.T) {
	out, in, _, ended := talk(t, echo)
	for _, step := range []struct {
		kind    wire.Kind
		request string
		want    []wire.Kind
	}{
		{wire.Request, "hello", []wire.Kind{wire.Answer, wire.Answer, wire.Done}},
		{wire.Request, "fail", []wire.Kind{wire.Error}},
		{wire.Request, "panic", []wire.Kind{wire.Error}},
		{wire.Answer, "not a request", []wire.Kind{wire.Error}},
		{wire.Request, "still there", []wire.Kind{wire.Answer, wire.Answer, wire.Done}},
	} {
		if err := out.Write(step.kind, step.request); err != nil {
			t.Fatal(err)
		}
		for _, want := range step.want {
			frame, err := in.Read()
			if err != nil || frame.Kind != want {
				t.Fatalf("%s: got %q, %v, want %q", step.request, frame.Kind, err, want)
			}
		}
	}
	if err := out.Write(wire.Exit, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestServeAnswersGarbage(t *testing.T) {
	_, in, host, _ := talk(t, echo)
	if _, err := host.Write([]byte("noise on the line\n")); err != nil {
		t.Fatal(err)
	}
	if frame, err := in.Read(); err != nil || frame.Kind != wire.Error {
		t.Errorf("got %q, %v, want an error frame", frame.Kind, err)
	}
}

func TestServeEndsWithTheHost(t *testing.T) {
	_, _, host, ended := talk(t, echo)
	host.Close()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestIsInit(t *testing.T) {
	if IsInit() {
		t.Error("a test is not init")
	}
}

func TestStampOf(t *testing.T) {
	for record, want := range map[string]int64{
		"6,1234,5678901,-;text\n SUBSYSTEM=block\n": 5678901,
		"30,0,0,c;a, b, c, d\n":                     0,
		"6,1234,x,-;text\n":                         -1,
		"":                                          -1,
	} {
		got, ok := stampOf([]byte(record))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", record, got, want)
		}
	}
}
