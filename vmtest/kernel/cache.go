// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
	"github.com/ringtwin/ringtwin/vmtest/cachedir"
	"github.com/ringtwin/ringtwin/vmtest/flock"
	"golang.org/x/sys/unix"
)

// Cache is a directory of bundles, keyed by the SHA-256 of their image.
type Cache struct{ Dir string }

// DefaultCacheBytes is the default maximum size of all kernels.
const DefaultCacheBytes = 6 << 30

func (c Cache) bundles() string             { return filepath.Join(c.Dir, "kernels") }
func (c Cache) bundleDir(sum string) string { return filepath.Join(c.bundles(), sum) }
func (c Cache) downloads() string           { return filepath.Join(c.Dir, "downloads") }

func (c Cache) refPath(ref Ref) string {
	return filepath.Join(c.Dir, "refs", ref.Source, url.PathEscape(ref.Package)+".json")
}

func (c Cache) lockPath(ref Ref) string {
	sum := sha256.Sum256([]byte(ref.Source + ":" + ref.Package))
	return filepath.Join(c.Dir, "locks", hex.EncodeToString(sum[:8]))
}

// errNotCached is returned for a kernel that is missing or damaged in the cache.
var errNotCached = errors.New("not in the cache")

// stored is a kernel in the cache: its name, and its bundle.
type stored struct {
	Ref    Ref    `json:"ref"`
	SHA256 string `json:"sha256"`
}

// byRef returns the bundle that was stored under a name. It reads the image in full: one
// that was truncated or changed since is not returned.
func (c Cache) byRef(ref Ref) (*Bundle, error) {
	var s stored
	if err := readJSON(c.refPath(ref), &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	return c.bySum(s.SHA256)
}

func (c Cache) bySum(want string) (*Bundle, error) {
	dir := c.bundleDir(want)
	b := &Bundle{}
	if err := readJSON(filepath.Join(dir, bundleFile), b); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	b.in(dir)
	sum, err := sumFile(b.Image)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	if sum != want {
		return nil, fmt.Errorf("%w: %s has changed since it was stored", errNotCached, b.Image)
	}
	_ = cachedir.Use(dir) // a read-only cache can still be read
	return b, nil
}

// refs lists what is in the cache.
func (c Cache) refs() ([]Ref, error) {
	paths, err := filepath.Glob(filepath.Join(c.Dir, "refs", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, path := range paths {
		var s stored
		if readJSON(path, &s) != nil || s.Ref.Package == "" {
			continue // of an older version of this program, or damaged
		}
		if _, err := os.Stat(c.bundleDir(s.SHA256)); err != nil {
			continue
		}
		s.Ref.SHA256 = s.SHA256
		refs = append(refs, s.Ref)
	}
	return refs, nil
}

// Has reports whether a kernel is in the cache, and the SHA-256 of its image.
func (c Cache) Has(ref Ref) (sha256 string, ok bool) {
	var s stored
	if readJSON(c.refPath(ref), &s) != nil {
		return "", false
	}
	_, err := os.Stat(filepath.Join(c.bundleDir(s.SHA256), imageFile))
	return s.SHA256, err == nil
}

// make creates a directory, calls fill to put a bundle's files there, and stores it.
func (c Cache) make(ctx context.Context, ref Ref, fill func(dir string) (*Bundle, error)) (*Bundle, error) {
	temp, remove, err := c.temp(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	dir := filepath.Join(temp, "bundle")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	b, err := fill(dir)
	if err != nil {
		return nil, err
	}
	b.in(dir)
	if err := b.readConfig(); err != nil {
		return nil, err
	}
	if err := c.store(dir, ref, b); err != nil {
		return nil, fmt.Errorf("store kernel: %w", err)
	}
	return b, cachedir.Prune(c.bundles(), DefaultCacheBytes)
}

// store moves a bundle from dir, a directory of [Cache.temp], to its place and gives it a
// name. The first bundle with an image stays, unless it is damaged, or has no modules and
// this one has.
func (c Cache) store(dir string, ref Ref, b *Bundle) error {
	sum, err := sumFile(filepath.Join(dir, imageFile))
	if err != nil {
		return err
	}
	b.SHA256 = sum
	if err := writeJSON(filepath.Join(dir, bundleFile), b); err != nil {
		return err
	}
	final := c.bundleDir(sum)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return err
	}
	if have, err := c.bySum(sum); err != nil || b.Modules != "" && have.Modules == "" {
		// Moved away first: a directory cannot replace one that is not empty. Machines
		// that have the old image open keep it.
		if err := os.Rename(final, dir+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(dir, final); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.RemoveAll(dir + ".old"); err != nil {
			return err
		}
	}
	b.in(final)
	if err := os.MkdirAll(filepath.Dir(c.refPath(ref)), 0o755); err != nil {
		return err
	}
	ref.SHA256 = ""
	return writeJSON(c.refPath(ref), stored{Ref: ref, SHA256: sum})
}

// staleAfter is the age at which a partial download is abandoned.
const staleAfter = 24 * time.Hour

// Prune removes the least recently used kernels until at most maxBytes are left, and
// abandoned downloads.
func (c Cache) Prune(maxBytes int64) error {
	err := cachedir.Prune(c.bundles(), maxBytes)
	entries, readErr := os.ReadDir(c.downloads())
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		err = errors.Join(err, readErr)
	}
	for _, entry := range entries {
		if info, infoErr := entry.Info(); infoErr == nil && time.Since(info.ModTime()) > staleAfter {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.downloads(), entry.Name())))
		}
	}
	return err
}

// temp creates a directory in the cache, on the same file system as the bundles, and
// removes those of killed processes. Each is locked by its creator; the kernel unlocks it
// when that process dies.
func (c Cache) temp(ctx context.Context) (path string, remove func(), err error) {
	dir := filepath.Join(c.Dir, "tmp")
	// No process sweeps between the creation of a directory and its lock.
	unlock, err := flock.Lock(ctx, filepath.Join(c.Dir, "locks", "tmp"), func() {})
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	c.sweep()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
	}
	temp, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", nil, fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
	}
	file, err := os.Open(temp)
	if err == nil {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("lock cache directory: %w", err), os.RemoveAll(temp))
	}
	return temp, func() { _, _ = os.RemoveAll(temp), file.Close() }, nil
}

// sweep removes directories that no process has locked.
func (c Cache) sweep() {
	left, _ := filepath.Glob(filepath.Join(c.Dir, "tmp", "fetch-*"))
	for _, dir := range left {
		file, err := os.Open(dir)
		if err != nil {
			continue
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir) // else it is tried again next time
		}
		_ = file.Close()
	}
}

func sumFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file atomically: readers see the old or the new one.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'))
}
