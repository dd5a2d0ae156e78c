// SPDX-License-Identifier: MIT

// Package flock excludes other processes from a cache.
package flock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Try is Lock that does not wait: unlock is nil if another process holds the lock.
func Try(path string) (unlock func(), err error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, file.Close()
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
}

// Lock excludes other processes until unlock is called, or until this process dies.
// waiting is called once if another process holds the lock; it may be nil. The file is
// created, and stays.
func Lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if !told {
			told = true
			if waiting != nil {
				waiting()
			}
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
