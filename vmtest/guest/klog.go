// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// kernelLog reads what the kernel logs, so that output can be placed among its lines
// without a clock: those of the log and of a program may be ticks apart.
// https://docs.kernel.org/admin-guide/abi-testing.html#abi-dev-kmsg
// https://elixir.bootlin.com/linux/v6.12/source/kernel/sched/clock.c
type kernelLog struct {
	mu     sync.Mutex
	fd     int
	record [recordBytes]byte
	last   int64
}

// recordBytes holds any record: PRINTKRB_RECORD_MAX and CONSOLE_EXT_LOG_MAX are no more.
const recordBytes = 8 << 10

const kmsg = "/dev/kmsg"

// openKernelLog returns the log from here on.
func openKernelLog() (*kernelLog, error) {
	fd, err := unix.Open(kmsg, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", kmsg, err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, errors.Join(fmt.Errorf("find the end of %s: %w", kmsg, err), unix.Close(fd))
	}
	return &kernelLog{fd: fd}, nil
}

func (k *kernelLog) close() { _ = unix.Close(k.fd) }

// stamp is the time stamp of the last record, in microseconds since boot, or 0 if there is
// none yet.
func (k *kernelLog) stamp() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		n, err := unix.Read(k.fd, k.record[:])
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // records were overwritten
		case err != nil || n <= 0:
			return k.last
		default:
			if at, ok := stampOf(k.record[:n]); ok {
				k.last = at
			}
		}
	}
}

// stampOf reads the third field of a record: "6,1234,5678901,-;text".
func stampOf(record []byte) (int64, bool) {
	fields := bytes.SplitN(record, []byte(","), 4)
	if len(fields) < 4 {
		return 0, false
	}
	at, err := strconv.ParseInt(string(fields[2]), 10, 64)
	return at, err == nil
}

// mark writes a line to the log, and so to the console. Without the newline the kernel
// would wait for more of it.
func mark(text string) error {
	log, err := os.OpenFile(kmsg, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("mark the console: %w", err)
	}
	defer log.Close()
	if _, err := log.WriteString("<6>ringtwin: " + text + "\n"); err != nil {
		return fmt.Errorf("mark the console: %w", err)
	}
	return nil
}
