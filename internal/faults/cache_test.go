// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// newCache makes a cache directory with the kernel of another one and its data about the
// archive, but without snapshots and package lists: a damaged kernel cannot be fetched
// again.
func newCache(to, from string) error {
	for _, part := range []string{"kernels", "refs", filepath.Join("apt", "index.json")} {
		if err := copyTree(filepath.Join(to, part), filepath.Join(from, part)); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies files, not their times: package lists are taken for new.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return copyFile(target, path)
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// random is the source of what a fault chooses itself.
func (r *run) random() *rand.Rand { return rand.New(rand.NewPCG(r.seed, 1)) }

// one is the file of the run's cache that a pattern matches.
func (r *run) one(pattern string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(r.cache, pattern))
	if err == nil && len(paths) != 1 {
		err = fmt.Errorf("%d files %s in the cache, want one", len(paths), pattern)
	}
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// truncate cuts a file of the cache at a random place.
func truncate(pattern string) func(*run) error {
	return func(r *run) error {
		path, err := r.one(pattern)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, r.random().Int64N(info.Size()))
	}
}

// flip changes one bit of a file of the cache.
func flip(pattern string) func(*run) error {
	return func(r *run) error {
		path, err := r.one(pattern)
		if err != nil {
			return err
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return errors.Join(err, file.Close())
		}
		random := r.random()
		b, at := make([]byte, 1), random.Int64N(info.Size())
		_, err = file.ReadAt(b, at)
		b[0] ^= 1 << random.IntN(8)
		if err == nil {
			_, err = file.WriteAt(b, at)
		}
		return errors.Join(err, file.Close())
	}
}

// small mounts a file system of some MiB on one of the run's directories.
func small(r *run, dir string, mib int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	r.mounts = append(r.mounts, dir)
	return nil
}

// fill leaves no room on the disk of a directory.
func fill(dir string) error {
	file, err := os.Create(filepath.Join(dir, "somebody else's"))
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = file.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

// oddTimes gives all files of the cache times in the past or in the future. The
// package lists stay new enough, or they would be read again.
func oddTimes(r *run) error {
	random := r.random()
	return filepath.WalkDir(r.cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		years := time.Duration(random.Int64N(int64(40*365*24*time.Hour))) - 20*365*24*time.Hour
		if d.Name() == "index.json" {
			years = years.Abs()
		}
		then := time.Now().Add(years)
		return os.Chtimes(path, then, then)
	})
}

// clockFile is the file from which libfaketime reads the time that QEMU gets.
func (r *run) clockFile() string { return filepath.Join(r.control, "clock") }

// jump sets the clock that QEMU sees some years forward or back.
func jump(r *run) error {
	seconds := r.random().Int64N(20*365*86400) - 10*365*86400
	temp := r.clockFile() + ".new"
	if err := os.WriteFile(temp, fmt.Appendf(nil, "%+d\n", seconds), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, r.clockFile())
}
