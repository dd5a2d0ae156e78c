// SPDX-License-Identifier: MIT

package openpgp

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	reference "github.com/ProtonMail/go-crypto/openpgp"
	packets "github.com/ProtonMail/go-crypto/openpgp/packet"
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func keysOf(tb testing.TB, name string) []*Key {
	tb.Helper()
	keys, err := ReadKeys(read(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// signed is a time just after the signatures of GnuPG in testdata were made.
var signed = time.Date(2026, 11, 26, 17, 30, 0, 0, time.UTC)

func TestReadKeys(t *testing.T) {
	const fingerprint = "89F3EC879D736FF8023DA056F89F9F1158F16EC2"
	for name, want := range map[string]string{"key.asc": fingerprint, "key.gpg": fingerprint, "revoked.asc": fingerprint} {
		keys := keysOf(t, name)
		if len(keys) != 1 || keys[0].Fingerprint != want || keys[0].revoked != (name == "revoked.asc") {
			t.Errorf("%s: %+v", name, keys)
		}
	}
	if keys := keysOf(t, "ed25519-key.asc"); len(keys) != 0 {
		t.Errorf("a key that is not of RSA: %+v", keys)
	}
	for _, text := range []string{"", "garbage", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n?\n-----END PGP PUBLIC KEY BLOCK-----\n"} {
		if keys, err := ReadKeys([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, keys)
		}
	}
}

// TestVerify: signatures of GnuPG are accepted if they are safe, and nothing else.
func TestVerify(t *testing.T) {
	text := read(t, "text")
	for name, c := range map[string]struct {
		key, signature string
		at             time.Time
		want           string // of the error
	}{
		"SHA-512, armored":     {"key.asc", "sha512.asc", signed, ""},
		"SHA-256, binary":      {"key.gpg", "sha256.sig", signed, ""},
		"years later":          {"key.asc", "sha512.asc", signed.AddDate(9, 0, 0), ""},
		"for a day, at once":   {"key.asc", "day.asc", signed, ""},
		"for a day, next week": {"key.asc", "day.asc", signed.AddDate(0, 0, 7), "expired on 2026-11-27"},
		"made tomorrow":        {"key.asc", "sha512.asc", signed.AddDate(0, 0, -1), "which is to come"},
		"SHA-1":                {"key.asc", "sha1.asc", signed, "digest 2, want SHA-256"},
		"of text lines":        {"key.asc", "textmode.asc", signed, "type 0x1"},
		"of a subkey":          {"subkey-key.asc", "subkey.asc", signed, "none of the keys"},
		"of another key":       {"subkey-key.asc", "sha512.asc", signed, "none of the keys"},
		"of Ed25519":           {"key.asc", "ed25519.asc", signed, "algorithm 22, want RSA"},
		"of a revoked key":     {"revoked.asc", "sha512.asc", signed, "was revoked"},
		"a key":                {"key.asc", "key.asc", signed, "a packet of type 6"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Verify(keysOf(t, c.key), text, read(t, c.signature), c.at)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := Verify(keysOf(t, "key.asc"), append(text, ' '), read(t, "sha512.asc"), signed); !errors.Is(err, ErrSignature) {
		t.Errorf("another text: %v", err)
	}
	if err := Verify(nil, text, read(t, "sha512.asc"), signed); !errors.Is(err, ErrSignature) {
		t.Errorf("no keys: %v", err)
	}
	// One that is good behind one that is not.
	both := append(bytes.Clone(read(t, "sha256.sig")), read(t, "sha256.sig")...)
	both[len(both)/2-1]++
	both[len(both)/2-2]++
	if err := Verify(keysOf(t, "key.asc"), text, both, signed); err != nil {
		t.Errorf("the second is good: %v", err)
	}
}

// TestEveryBit: with any bit of the signature changed it is not valid, or the same
// signature; with any bit of the key changed it is another key.
func TestEveryBit(t *testing.T) {
	text, signature, key := read(t, "text"), read(t, "sha256.sig"), read(t, "key.gpg")
	keys := keysOf(t, "key.gpg")
	for i := range len(signature) * 8 {
		changed := bytes.Clone(signature)
		changed[i/8] ^= 1 << (i % 8)
		if err := Verify(keys, text, changed, signed); err == nil {
			if s, err := readSignature(changed[3:]); err != nil || s.by(keys[0], text) != nil {
				t.Errorf("bit %d changed, and accepted", i)
			}
		}
	}
	all, err := packetsOf(key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(all[0].body) * 8 {
		changed := bytes.Clone(all[0].body)
		changed[i/8] ^= 1 << (i % 8)
		if k := readKey(changed); k != nil && k.Fingerprint == keys[0].Fingerprint {
			t.Errorf("bit %d of the key changed, and its fingerprint is the same", i)
		}
	}
}

// TestReference: a complete library agrees on the signatures of GnuPG, except for
// features that are omitted here on purpose.
func TestReference(t *testing.T) {
	theirs, err := reference.ReadKeyRing(bytes.NewReader(read(t, "key.gpg")))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "text")
	config := &packets.Config{Time: func() time.Time { return signed }}
	for name, onlyTheirs := range map[string]bool{"sha512.asc": false, "sha1.asc": true, "day.asc": false, "textmode.asc": true, "subkey.asc": false, "ed25519.asc": false} {
		_, theirErr := reference.CheckArmoredDetachedSignature(theirs, bytes.NewReader(text), bytes.NewReader(read(t, name)), config)
		ourErr := Verify(keysOf(t, "key.gpg"), text, read(t, name), signed)
		if (theirErr == nil) != (ourErr == nil || onlyTheirs) {
			t.Errorf("%s: %v, the other library: %v", name, ourErr, theirErr)
		}
	}
}

// FuzzVerify: only what the key has signed is accepted, whatever surrounds it.
func FuzzVerify(f *testing.F) {
	for _, name := range []string{"sha512.asc", "sha256.sig", "sha1.asc", "day.asc", "textmode.asc", "subkey.asc", "ed25519.asc"} {
		f.Add(read(f, name))
	}
	ours := keysOf(f, "key.gpg")
	text := read(f, "text")
	parts := func(t testing.TB, signature []byte) []string {
		all, err := packetsOf(signature)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, p := range all {
			if s, err := readSignature(p.body); err == nil {
				parts = append(parts, string(s.hashed)+string(bytes.TrimLeft(s.value, "\x00")))
			}
		}
		return parts
	}
	var genuine []string
	for _, name := range []string{"sha512.asc", "sha256.sig", "day.asc"} {
		genuine = append(genuine, parts(f, read(f, name))...)
	}
	f.Fuzz(func(t *testing.T, signature []byte) {
		if Verify(ours, text, signature, signed) != nil {
			return
		}
		if !slices.ContainsFunc(parts(t, signature), func(part string) bool { return slices.Contains(genuine, part) }) {
			t.Error("accepted, and never signed")
		}
	})
}

func FuzzReadKeys(f *testing.F) {
	for _, name := range []string{"key.asc", "key.gpg", "revoked.asc", "subkey-key.asc", "ed25519-key.asc"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ReadKeys(text)
		if err != nil && keys != nil {
			t.Errorf("%d keys and %v", len(keys), err)
		}
		for _, key := range keys {
			if len(key.Fingerprint) != 40 || key.rsa.Size() < 256 {
				t.Errorf("%+v", key)
			}
		}
	})
}
