// SPDX-License-Identifier: MIT

// Package openpgp verifies detached signatures by keys with known fingerprints, and
// nothing else: version 4, RSA, SHA-2, by the primary key, over binary text. It rejects
// everything else. It has no trust in keys, no subkeys, no names and no expiry of keys:
// pinning a fingerprint decides all that, and the owner of the private key could sign
// another expiry.
//
// A complete library makes the program, which every VM unpacks, a tenth larger.
//
// https://www.rfc-editor.org/rfc/rfc9580
package openpgp

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// ErrSignature is text without a valid signature by the right key.
var ErrSignature = errors.New("signature is not valid")

// Key is a public key. It is immutable, and safe for concurrent use.
type Key struct {
	Fingerprint string // 40 hexadecimal digits, upper case

	rsa     rsa.PublicKey
	created time.Time
	signed  []byte // what a signature over the key itself covers
	revoked bool
}

// Of the format.
const (
	tagSignature = 2
	tagPublicKey = 6

	typeBinary     = 0x00
	typeRevocation = 0x20

	version       = 4
	rsaBoth       = 1 // signs and encrypts
	rsaSign       = 3
	leastRSABits  = 2047 // a key of 2048 bits may begin with a zero
	mostRSABits   = 16384
	criticalMark  = 0x80
	subCreated    = 2
	subExpires    = 3
	subIssuer     = 16
	subIssuerLong = 33 // its fingerprint
)

// hashes are the supported hashes of a signature.
var hashes = map[byte]crypto.Hash{8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512}

// ReadKeys reads public keys, armored or not. Keys of other kinds are left out.
func ReadKeys(text []byte) ([]*Key, error) {
	packets, err := packetsOf(text)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var keys []*Key
	var last *Key // that signatures are about, nil behind one that was left out
	for _, p := range packets {
		switch p.tag {
		case tagPublicKey:
			if last = readKey(p.body); last != nil {
				keys = append(keys, last)
			}
		case tagSignature:
			if s, err := readSignature(p.body); last != nil && err == nil && s.kind == typeRevocation && s.by(last, last.signed) == nil {
				last.revoked = true
			}
		}
	}
	return keys, nil
}

func readKey(body []byte) *Key {
	// version, 4 bytes of time, algorithm, modulus, exponent
	if len(body) < 6 || len(body) > 0xffff || body[0] != version || body[5] != rsaBoth && body[5] != rsaSign {
		return nil
	}
	n, rest, ok := number(body[6:])
	e, rest, ok2 := number(rest)
	if !ok || !ok2 || len(rest) != 0 {
		return nil
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < leastRSABits || bits > mostRSABits || modulus.Bit(0) == 0 {
		return nil
	}
	if exponent.BitLen() > 31 || exponent.Bit(0) == 0 || exponent.BitLen() < 2 {
		return nil
	}
	signed := append([]byte{0x99, byte(len(body) >> 8), byte(len(body))}, body...)
	sum := sha1.Sum(signed) // how a fingerprint of version 4 is defined; nobody can find another key for one
	return &Key{
		Fingerprint: strings.ToUpper(hex.EncodeToString(sum[:])),
		rsa:         rsa.PublicKey{N: modulus, E: int(exponent.Int64())},
		created:     time.Unix(int64(binary.BigEndian.Uint32(body[1:])), 0),
		signed:      signed,
	}
}

// Verify checks that a key has signed the text. The signature may be armored; one valid
// signature of several is enough. The error wraps [ErrSignature].
func Verify(keys []*Key, text, signature []byte, now time.Time) error {
	packets, err := packetsOf(signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	errs := []error{ErrSignature}
	for _, p := range packets {
		if p.tag != tagSignature {
			return fmt.Errorf("%w: a packet of type %d in it", ErrSignature, p.tag)
		}
		s, err := readSignature(p.body)
		if err == nil {
			err = s.verify(keys, text, now)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// signature is one of version 4, by RSA.
type signature struct {
	kind    byte
	hash    crypto.Hash
	hashed  []byte // the part of it that is signed too
	check   []byte // the first two bytes of the digest
	value   []byte
	created time.Time
	lasts   time.Duration // 0: forever
}

func readSignature(body []byte) (*signature, error) {
	if len(body) < 6 || body[0] != version {
		return nil, errors.New("not of version 4")
	}
	s := &signature{kind: body[1], hash: hashes[body[3]]}
	if algorithm := body[2]; algorithm != rsaBoth && algorithm != rsaSign {
		return nil, fmt.Errorf("algorithm %d, want RSA", algorithm)
	}
	if s.hash == 0 {
		return nil, fmt.Errorf("digest %d, want SHA-256, SHA-384 or SHA-512", body[3])
	}
	hashed, rest, ok := counted(body[4:])
	_, rest, ok2 := counted(rest) // that anyone may have changed
	if !ok || !ok2 || len(rest) < 2 {
		return nil, errCut
	}
	s.hashed, s.check = body[:6+len(hashed)], rest[:2]
	if s.value, rest, ok = number(rest[2:]); !ok || len(rest) != 0 {
		return nil, errCut
	}
	return s, s.details(hashed)
}

// details reads what the signer says about the signature.
func (s *signature) details(area []byte) error {
	for len(area) > 0 {
		sub, rest, ok := sized(area)
		if !ok || len(sub) == 0 {
			return errCut
		}
		area = rest
		kind, value := sub[0]&^criticalMark, sub[1:]
		switch {
		case kind == subCreated && len(value) == 4:
			s.created = time.Unix(int64(binary.BigEndian.Uint32(value)), 0)
		case kind == subExpires && len(value) == 4:
			s.lasts = time.Duration(binary.BigEndian.Uint32(value)) * time.Second
		case kind == subIssuer, kind == subIssuerLong: // whose it is, its own key tells
		case sub[0]&criticalMark != 0 || kind == subCreated || kind == subExpires:
			return fmt.Errorf("subpacket %d is not understood", kind)
		}
	}
	if s.created.IsZero() {
		return errors.New("no time of its making")
	}
	return nil
}

func (s *signature) verify(keys []*Key, text []byte, now time.Time) error {
	switch {
	case s.kind != typeBinary:
		return fmt.Errorf("of type %#x, want one over binary text", s.kind)
	case s.created.After(now):
		return fmt.Errorf("made on %s, which is to come", s.created.UTC().Format(time.DateOnly))
	case s.lasts > 0 && now.After(s.created.Add(s.lasts)):
		return fmt.Errorf("expired on %s", s.created.Add(s.lasts).UTC().Format(time.DateOnly))
	}
	for _, key := range keys {
		if s.by(key, text) != nil || s.created.Before(key.created) {
			continue
		}
		if key.revoked {
			return fmt.Errorf("the key %s was revoked", key.Fingerprint)
		}
		return nil
	}
	return errors.New("of none of the keys, or of another text")
}

// by checks the signature alone.
func (s *signature) by(key *Key, text []byte) error {
	h := s.hash.New()
	h.Write(text)
	h.Write(s.hashed)
	h.Write(binary.BigEndian.AppendUint32([]byte{version, 0xff}, uint32(len(s.hashed))))
	digest := h.Sum(nil)
	size := key.rsa.Size()
	if !bytes.Equal(digest[:2], s.check) || len(s.value) > size {
		return ErrSignature
	}
	value := make([]byte, size)
	copy(value[size-len(s.value):], s.value) // zeros before it are not written
	return rsa.VerifyPKCS1v15(&key.rsa, s.hash, digest, value)
}
