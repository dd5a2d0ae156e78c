// SPDX-License-Identifier: MIT

package openpgp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// errCut is data that ends too early, or has lengths that do not fit.
var errCut = errors.New("damaged or cut")

type packet struct {
	tag  byte
	body []byte
}

// packetsOf splits data, armored or not, into packets. There is at least one.
func packetsOf(text []byte) ([]packet, error) {
	data, err := dearmored(text)
	if err != nil {
		return nil, err
	}
	var all []packet
	for len(data) > 0 {
		p, rest, ok := nextPacket(data)
		if !ok {
			return nil, errCut
		}
		all, data = append(all, p), rest
	}
	if len(all) == 0 {
		return nil, errors.New("empty")
	}
	return all, nil
}

// nextPacket knows both forms of headers. Partial lengths, and lengths up to the end of
// the file, are only for encrypted data.
func nextPacket(data []byte) (p packet, rest []byte, ok bool) {
	head := data[0]
	switch {
	case head&0xc0 == 0xc0:
		p.tag = head & 0x3f
		p.body, rest, ok = sized(data[1:])
	case head&0x80 != 0 && head&3 < 3:
		p.tag = head >> 2 & 0x0f
		bytes := 1 << (head & 3)
		if len(data) < 1+bytes {
			return p, nil, false
		}
		var length uint64
		for _, b := range data[1 : 1+bytes] {
			length = length<<8 | uint64(b)
		}
		p.body, rest, ok = cut(data[1+bytes:], length)
	}
	return p, rest, ok
}

// sized reads data after its length, as in newer packets and in subpackets.
func sized(data []byte) (body, rest []byte, ok bool) {
	switch {
	case len(data) >= 1 && data[0] < 192:
		return cut(data[1:], uint64(data[0]))
	case len(data) >= 2 && data[0] < 224:
		return cut(data[2:], uint64(data[0]-192)<<8+uint64(data[1])+192)
	case len(data) >= 5 && data[0] == 255:
		return cut(data[5:], uint64(binary.BigEndian.Uint32(data[1:])))
	}
	return nil, nil, false
}

// counted reads data after its length of two bytes.
func counted(data []byte) (body, rest []byte, ok bool) {
	if len(data) < 2 {
		return nil, nil, false
	}
	return cut(data[2:], uint64(binary.BigEndian.Uint16(data)))
}

// number reads a multiprecision integer after its length in bits.
func number(data []byte) (value, rest []byte, ok bool) {
	if len(data) < 2 {
		return nil, nil, false
	}
	return cut(data[2:], (uint64(binary.BigEndian.Uint16(data))+7)/8)
}

func cut(data []byte, length uint64) (body, rest []byte, ok bool) {
	if length > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:length:length], data[length:], true
}

// dearmored decodes the first block of ASCII armor, or returns data that is not armored.
// It ignores the checksum, which is for transport: the signature decides.
func dearmored(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN PGP ")) {
		return text, nil
	}
	var data []byte
	inHead := true
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case i == 0:
		case bytes.HasPrefix(line, []byte("-----END PGP ")):
			decoded, err := base64.StdEncoding.DecodeString(string(data))
			return decoded, err
		case inHead:
			inHead = len(line) > 0
		case bytes.HasPrefix(line, []byte("=")): // the checksum
		default:
			data = append(data, line...)
		}
	}
	return nil, errCut
}
