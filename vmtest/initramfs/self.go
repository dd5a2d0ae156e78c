// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pierrec/lz4/v4"
	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
	"github.com/ringtwin/ringtwin/vmtest/cachedir"
)

// Self writes an archive whose /init is the running program, with its libraries, to a
// directory, and returns its path. Its name is a hash of its content. Two processes may
// do so at once.
func Self(dir string) (string, error) {
	files, err := Base()
	if err != nil {
		return "", err
	}
	return keep(dir, files)
}

// keep writes the archive to a directory of limited size, and returns its path.
func keep(dir string, files []File) (string, error) {
	// The archive is never in memory as a whole: it is written twice instead.
	sum := sha256.New()
	if err := Write(sum, files); err != nil {
		return "", err
	}
	path := filepath.Join(dir, hex.EncodeToString(sum.Sum(nil))+".cpio.lz4")
	if holds(path, sum.Sum(nil)) {
		_ = cachedir.Use(path) // a read-only cache can still be read
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
	}
	if err := WriteFile(path, files); err != nil {
		return "", fmt.Errorf("write initramfs: %w", err)
	}
	return path, cachedir.Prune(dir, maxArchiveBytes)
}

// WriteFile writes an archive to a file, compressed with LZ4, which every kernel reads
// unless it was configured not to (CONFIG_RD_LZ4). An emulated machine is ready sooner
// than with an uncompressed archive, because there is less to load. The format:
// https://elixir.bootlin.com/linux/v6.12/source/lib/decompress_unlz4.c
func WriteFile(path string, files []File) (err error) {
	file, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := lz4.NewWriter(file)
	if err := w.Apply(lz4.LegacyOption(true), lz4.CompressionLevelOption(lz4.Fast)); err != nil {
		return err
	}
	if err := errors.Join(Write(w, files), w.Close()); err != nil {
		return err
	}
	return file.Replace(path)
}

// holds reports whether the file is an archive with this sum.
func holds(path string, sum []byte) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	have := sha256.New()
	_, err = io.Copy(have, lz4.NewReader(file))
	return err == nil && bytes.Equal(have.Sum(nil), sum)
}

// initName is what the kernel starts.
const initName = "init"

// Base is what an archive needs whose /init is the running program.
func Base() ([]File, error) {
	// Not by its path: the running file may have been replaced or removed.
	self, err := Program(initName, "/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("pack own program: %w", err)
	}
	return append([]File{
		{Name: "dev", Mode: Directory | 0o755},
		// The kernel gives init its console from here, before devtmpfs.
		{Name: "dev/console", Mode: Character | 0o600, Major: 5, Minor: 1},
	}, self...), nil
}

// maxArchiveBytes is what the archives of all builds may take together.
const maxArchiveBytes = 400 << 20

// LibraryPaths are the paths of loader and libraries among the files of [Base].
func LibraryPaths(files []File) []string {
	var paths []string
	for _, f := range files {
		if f.Mode == Regular|0o755 && f.Name != initName {
			paths = append(paths, "/"+f.Name)
		}
	}
	return paths
}
