// SPDX-License-Identifier: MIT

// Package cachedir keeps a cache directory below a size: it removes the least recently
// used entries first.
package cachedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Use marks an entry of a cache directory as used now.
func Use(path string) error {
	now := time.Now()
	return os.Chtimes(path, now, now)
}

// grace is how long an entry stays, however full the directory is: another process may be
// about to use an entry that it has just created.
const grace = time.Minute

type entry struct {
	path  string
	bytes int64
	used  time.Time
}

// Prune removes entries of the directory, files or directories, until no more than
// maxBytes are left. Whoever has an entry's files open keeps them.
func Prune(dir string, maxBytes int64) error {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prune cache: %w", err)
	}
	var entries []entry
	var total int64
	for _, name := range names {
		e, err := measure(filepath.Join(dir, name.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process was faster
		}
		if err != nil {
			return fmt.Errorf("prune cache: %w", err)
		}
		entries = append(entries, e)
		total += e.bytes
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		if total <= maxBytes || time.Since(e.used) < grace {
			return nil
		}
		if err := os.RemoveAll(e.path); err != nil {
			return fmt.Errorf("prune cache: %w", err)
		}
		total -= e.bytes
	}
	return nil
}

// measure adds up the files of an entry.
func measure(path string) (entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return entry{}, err
	}
	e := entry{path: path, used: info.ModTime()}
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			e.bytes += allocated(info)
		}
		return err
	})
	return e, err
}

// allocated is the disk space of a file: a sparse file takes less than its size.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(info.Size(), stat.Blocks*512)
	}
	return info.Size()
}
