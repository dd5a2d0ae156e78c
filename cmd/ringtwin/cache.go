package main

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/lru"
)

// pruneCache removes saved machines first, which are made again in seconds, and
// then kernels, until no more than keep bytes of both are left. It returns how
// many bytes it removed.
func pruneCache(cache string, keep int64) (freed int64, err error) {
	before, err := folderBytes(cache)
	if err != nil {
		return 0, err
	}
	kernels, err := folderBytes(filepath.Join(cache, "kernels"))
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		lru.Prune(filepath.Join(cache, "warm"), max(0, keep-kernels)),
		lru.Prune(filepath.Join(cache, "initramfs"), max(0, keep-kernels)),
		kernel.Cache{Dir: cache}.Prune(keep),
	)
	after, afterErr := folderBytes(cache)
	return before - after, errors.Join(err, afterErr)
}

// folderBytes adds up the files below a folder, which may be missing or change
// meanwhile.
func folderBytes(folder string) (int64, error) {
	var total int64
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
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
