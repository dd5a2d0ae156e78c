// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	var pipe bytes.Buffer
	w := NewWriter(&pipe)
	bodies := []any{"text with\nnewline", map[string]int{"a": 1}, nil, strings.Repeat("x", 100_000)}
	for _, body := range bodies {
		if err := w.Write(Answer, body); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&pipe)
	for _, body := range bodies {
		frame, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if frame.Kind != Answer || !bytes.Equal(frame.Body, want) {
			t.Errorf("got %s %.40s, want %.40s", frame.Kind, frame.Body, want)
		}
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want EOF", err)
	}
}

// frame is one good frame as bytes.
func frame(t testing.TB, body any) string {
	t.Helper()
	var b bytes.Buffer
	if err := NewWriter(&b).Write(Answer, body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGarbage: garbage is reported, and the next frame is read.
func TestGarbage(t *testing.T) {
	good := frame(t, "after")
	for name, garbage := range map[string]string{
		"kernel message": "[    1.0] random: crng init done\n",
		"empty line":     "\n",
		"cut":            good[:len(good)-4] + "\n",
		"checksum":       strings.Replace(good, "after", "aftex", 1),
		"length":         strings.Replace(good, " 7 ", " 8 ", 1),
		"announced 4GiB": "RT1 answer 4294967296 00000000 {}\n",
		"negative":       "RT1 answer -1 00000000 {}\n",
		"no JSON":        fmt.Sprintf("RT1 answer 1 %08x x\n", 0xb6b5ee95),
		"too long":       strings.Repeat("x", MaxBody+1000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(strings.NewReader(garbage + good))
			var g *GarbageError
			if _, err := r.Read(); !errors.As(err, &g) {
				t.Fatalf("garbage gave %v", err)
			}
			if len(g.Line) > 100 {
				t.Errorf("error keeps %d bytes", len(g.Line))
			}
			if _, err := r.Read(); err != nil {
				t.Errorf("the frame after it: %v", err)
			}
		})
	}
}

func TestCutOff(t *testing.T) {
	good := frame(t, "x")
	r := NewReader(strings.NewReader(good[:len(good)-1]))
	if _, err := r.Read(); !errors.As(err, new(*GarbageError)) {
		t.Errorf("a frame without its end gave %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(frame(f, map[string]string{"a": "b"})))
	f.Add([]byte("RT1 answer 99999999999999999999 0 {}\nRT1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in))
		for range len(in) + 2 {
			got, err := r.Read()
			if errors.As(err, new(*GarbageError)) {
				continue
			}
			if err != nil {
				return
			}
			if !json.Valid(got.Body) {
				t.Errorf("body %q is no JSON", got.Body)
			}
		}
		t.Error("more frames than bytes")
	})
}
