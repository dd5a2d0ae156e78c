// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// Resolve is [Host.Resolve] for a process that boots nothing: it needs no QEMU.
func Resolve(ctx context.Context, cfg Config, words ...string) ([]kernel.Ref, error) {
	if cfg.Cache == "" {
		dir, err := CacheDir()
		if err != nil {
			return nil, err
		}
		cfg.Cache = dir
	}
	if cfg.Progress == nil {
		cfg.Progress = silent{}
	}
	return (&Host{Config: cfg}).Resolve(ctx, words...)
}
