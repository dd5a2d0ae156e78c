// SPDX-License-Identifier: MIT

package vmtest

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

func archive(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "initramfs.cpio.lz4")
	if err := initramfs.WriteFile(path, []initramfs.File{{Name: "data", Mode: initramfs.Regular | 0o644, Data: data}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestArchiveFits: an archive that the memory cannot hold is rejected with its sizes, and
// one that shrinks is judged by what it becomes.
func TestArchiveFits(t *testing.T) {
	random := make([]byte, 8<<20)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	half := append(make([]byte, 24<<20), random...)
	for name, test := range map[string]struct {
		data      []byte
		memoryMiB int
		says      string // "": it fits
	}{
		"with room":      {random, 25, ""},
		"without":        {random, 24, "it has 9 MiB, and 9 MiB unpacked, for which a machine needs more than 25 MiB of memory and has 24"},
		"that shrinks":   {half, 72, "it has 9 MiB, and 33 MiB unpacked"},
		"with room then": {half, 73, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkFits(archive(t, test.data), test.memoryMiB)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want %q", err, test.says)
			}
			if (test.says != "") != errors.As(err, new(*memoryError)) {
				t.Errorf("%v is of type %T", err, err)
			}
		})
	}
}

// TestArchiveFor: a kernel without LZ4 gets the same archive uncompressed.
func TestArchiveFor(t *testing.T) {
	path := archive(t, []byte("hello"))
	for name, test := range map[string]struct {
		config string
		plain  bool
	}{
		"no configuration":     {"", false},
		"a part of one":        {"CONFIG_HZ=1000\n", false},
		"with LZ4":             {"# Automatically generated file; DO NOT EDIT.\nCONFIG_RD_LZ4=y\n", false},
		"without":              {"# Automatically generated file; DO NOT EDIT.\n# CONFIG_RD_LZ4 is not set\n", true},
		"without, not by name": {"# Automatically generated file; DO NOT EDIT.\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			bundle := &kernel.Bundle{}
			if test.config != "" {
				bundle.ConfigPath = filepath.Join(t.TempDir(), "config")
				if err := os.WriteFile(bundle.ConfigPath, []byte(test.config), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := archiveFor(bundle, path)
			if err != nil || (got != path) != test.plain {
				t.Fatalf("archive %s, %v", got, err)
			}
			text, err := os.ReadFile(got)
			if err != nil {
				t.Fatal(err)
			}
			if is := strings.HasPrefix(string(text), "070701"); is != test.plain {
				t.Errorf("archive begins with %q", text[:6])
			}
		})
	}
}
