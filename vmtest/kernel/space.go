// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Free space required on the disk of the cache, in bytes. apt can wait forever if it
// cannot write a package list: so it is not started without space, and ended when the
// disk fills.
const (
	listsBytes   = 200 << 20 // to read package lists: 90 MB, and what apt makes of them
	kernelBytes  = 150 << 20 // to fetch and unpack a kernel
	minFreeBytes = 4 << 20   // while apt runs
)

// checkSpace returns an error that wraps ENOSPC unless that much is free.
func checkSpace(dir string, need uint64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("%s: %w: %d MiB are free, %d are needed (set another directory with RINGTWIN_CACHE)",
			dir, unix.ENOSPC, free>>20, need>>20)
	}
	return nil
}

// watchSpace cancels the context when the disk of the directory is full.
func watchSpace(ctx context.Context, dir string) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := checkSpace(dir, minFreeBytes); errors.Is(err, unix.ENOSPC) {
					cancel(err)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
