// SPDX-License-Identifier: MIT

package vmtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/cachedir"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// Prune removes snapshots first, which are recreated in seconds, and then kernels, until
// both take at most keep bytes. It returns the number of bytes removed.
func Prune(cache string, keep int64) (freed int64, err error) {
	before, err := dirBytes(cache)
	if err != nil {
		return 0, err
	}
	kernels, err := dirBytes(filepath.Join(cache, "kernels"))
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		cachedir.Prune(filepath.Join(cache, "snapshots"), max(0, keep-kernels)),
		cachedir.Prune(filepath.Join(cache, "initramfs"), max(0, keep-kernels)),
		kernel.Cache{Dir: cache}.Prune(keep),
	)
	after, afterErr := dirBytes(cache)
	return before - after, errors.Join(err, afterErr)
}

// dirBytes adds up the files below a directory, which may be missing or change
// meanwhile.
func dirBytes(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total, err
}

// usage reports in one line how many kernels, snapshots and archives are cached.
func usage(cache string) (string, int64, error) {
	total := int64(0)
	var parts []string
	for _, part := range []struct{ dir, one, several string }{
		{"kernels", "kernel", "kernels"}, {"snapshots", "snapshot", "snapshots"}, {"initramfs", "initramfs", "initramfs"},
	} {
		entries, err := os.ReadDir(filepath.Join(cache, part.dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", 0, err
		}
		bytes, err := dirBytes(filepath.Join(cache, part.dir))
		if err != nil {
			return "", 0, err
		}
		total += bytes
		name := part.several
		if len(entries) == 1 {
			name = part.one
		}
		parts = append(parts, fmt.Sprintf("%d %s", len(entries), name))
	}
	return strings.Join(parts, ", "), total, nil
}

// Keep returns how many bytes may stay in the cache: the size in the text, or 0 if all
// may be removed. With neither, the error reports what would be removed.
func Keep(cache, size string, none bool) (int64, error) {
	switch {
	case size != "":
		return parseSize(size)
	case none:
		return 0, nil
	}
	holds, bytes, err := usage(cache)
	if err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("this would remove %s, %d MiB, from %s: want --keep SIZE or --all", holds, bytes>>20, cache)
}

// parseSize parses a number of bytes, with an optional suffix K, M or G of 1024.
func parseSize(text string) (int64, error) {
	shift := map[string]uint{"K": 10, "M": 20, "G": 30}
	digits := strings.TrimRight(text, "KMG")
	var n int64
	if _, err := fmt.Sscanf(digits+" ", "%d ", &n); err != nil || n < 0 || n > 1<<30 || len(text)-len(digits) > 1 || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no size: want bytes, or 500M, or 2G", text)
	}
	return n << shift[text[len(digits):]], nil
}
