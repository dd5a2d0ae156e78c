// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/ringtwin/ringtwin/harness/vocab"
)

// sample makes the bytes that a twin would send.
func sample(token uint64, payload int) []byte {
	e := Event{TimeNS: 1, Token: token, Seq: 7, PID: 42, UID: 501, CPU: 1, PayloadBytes: uint16(payload)}
	copy(e.Command[:], "bash")
	copy(e.Message[:], "Hi user 501!")
	e.Checksum = e.sum()
	raw := append([]byte(nil), (*[vocab.EventBytes]byte)(unsafe.Pointer(&e))[:]...)
	for i := range payload {
		word := token ^ 0x9e3779b97f4a7c15*uint64(i/8+1)
		raw = append(raw, byte(word>>(i%8*8)))
	}
	return raw
}

func TestDecode(t *testing.T) {
	for _, payload := range []int{0, 1, 7, 8, 9, 100, 4096} {
		raw := sample(99, payload)
		padded := append(append([]byte(nil), raw...), 0xff, 0xff, 0xff, 0xff)
		for _, in := range [][]byte{raw, padded} {
			var e Event
			if err := Decode(in, &e); err != nil {
				t.Errorf("payload %d, %d bytes: %v", payload, len(in), err)
			}
			if e.Token != 99 || Text(e.Message[:]) != "Hi user 501!" || Text(e.Command[:]) != "bash" {
				t.Errorf("payload %d: decoded %+v", payload, e)
			}
		}
		var e Event
		if err := Decode(raw[:len(raw)-1], &e); !errors.Is(err, ErrShortSample) {
			t.Errorf("payload %d, one byte short: %v", payload, err)
		}
	}
}

// TestDecodeSeesEveryTornByte: no byte of an event can change unnoticed.
func TestDecodeSeesEveryTornByte(t *testing.T) {
	raw := sample(99, 13)
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			var e Event
			if Decode(raw, &e) == nil {
				t.Errorf("byte %d, bit %d changed, and nobody saw it", i, bit)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	raw := sample(99, 64)
	var e Event
	if n := testing.AllocsPerRun(100, func() { _ = Decode(raw, &e) }); n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample(1, 0))
	f.Add(sample(1<<40, 33))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e Event
		if err := Decode(raw, &e); err == nil && len(raw) < vocab.EventBytes+int(e.PayloadBytes) {
			t.Errorf("accepted %d bytes with a payload of %d", len(raw), e.PayloadBytes)
		}
	})
}

func TestNewMessage(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "Hey root!": true, "Hi user 501!": true, "thirteen byte": false, "a\x00b": false,
		strings.Repeat("ü", 6): true, strings.Repeat("ü", 7): false,
	} {
		got, err := NewMessage(text)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if ok && Text(got[:]) != text {
			t.Errorf("%q became %q", text, Text(got[:]))
		}
	}
}
