// SPDX-License-Identifier: MIT

package bpf

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

// TestDigest: no object file is left out.
func TestDigest(t *testing.T) {
	paths, err := filepath.Glob("*_x86_bpfel.o")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no object files: %v", err)
	}
	h := sha256.New()
	for _, path := range paths {
		object, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(object)
		h.Write(sum[:])
	}
	if want := [sha256.Size]byte(h.Sum(nil)); Digest() != want {
		t.Errorf("digest %x, want %x of %v", Digest(), want, paths)
	}
}
