// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/flock"
)

// enterLane waits for one of the lanes that all processes with this cache share, one a CPU
// of this host: an emulated machine keeps one busy, however many it has. So any number
// of programs can be started at once, as go test -p 8 does.
func (h *Host) enterLane(ctx context.Context, memoryMiB int) (leave func(), err error) {
	lanes := runtime.NumCPU()
	for {
		others := false
		for n := range lanes {
			leave, err := flock.Try(filepath.Join(h.Cache, "locks", fmt.Sprintf("lane-%d", n)))
			if err != nil {
				return nil, fmt.Errorf("wait for a lane: %w", err)
			}
			if leave == nil {
				others = true
				continue
			}
			if !others {
				others = laneBusy(h.Cache, n+1, lanes)
			}
			if !others || fits(memoryMiB) {
				return leave, nil
			}
			leave()
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// laneBusy reports whether another process is in one of the lanes.
func laneBusy(cache string, from, to int) bool {
	for n := from; n < to; n++ {
		leave, err := flock.Try(filepath.Join(cache, "locks", fmt.Sprintf("lane-%d", n)))
		if err != nil || leave == nil {
			return true
		}
		leave()
	}
	return false
}

// fits reports whether the host has the memory of one more machine.
func fits(memoryMiB int) bool {
	available, err := fleet.AvailableMemory()
	return err != nil || available>>20 > int64(memoryMiB+machineOverheadMiB)
}

// machineOverheadMiB is what QEMU takes beside a machine's memory.
const machineOverheadMiB = 128
