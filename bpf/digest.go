// SPDX-License-Identifier: MIT

package bpf

import "crypto/sha256"

// Digest is the SHA-256 of the SHA-256 of each twin's object file, by file name: two
// builds with the same digest run the same programs.
func Digest() [sha256.Size]byte {
	h := sha256.New()
	for _, object := range [][]byte{_TwinPerfBytes, _TwinRingbufBytes, _TwinRingbufOutputBytes} {
		sum := sha256.Sum256(object)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
