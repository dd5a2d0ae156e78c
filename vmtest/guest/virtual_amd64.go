// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// The port of QEMU's panic device, which stops the machine at this very instruction. A
// guest that panics resets its machine instead, because the kernel's driver of the device
// is a module.
// https://www.qemu.org/docs/master/specs/pvpanic.html
const (
	panicPort = 0x505
	panicked  = 1
)

// Between the stop of the CPU, which is then idle, and the stop of the machine, QEMU may
// advance the clock to the next timer: it does in half of the boots. It may advance
// further where a device restarts its timer. So the guest has its own timer after
// timerTicks, which is not restarted, and waits until it has expired: after stopTicks the
// instant is the same, and the same events have happened. Ticks are nanoseconds.
// icount_start_warp_timer in
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/softmmu/icount.c
const (
	timerTicks = 50_000
	stopTicks  = 400_000
)

// Ports and keys of the firmware configuration:
// https://www.qemu.org/docs/master/specs/fw_cfg.html
const (
	selectorPort = 0x510
	dataPort     = 0x511
	directoryKey = 0x19
	entryBytes   = 64
)

// maxRequestBytes bounds what is read a byte at a time.
const maxRequestBytes = 1 << 20

// stopAndRead stops the machine and, when it runs again, reads the item. The time to read
// a port does not depend on the host, and it causes no interrupt.
func stopAndRead() (text []byte, err error) {
	runtime.LockOSThread() // the permission is the thread's
	defer runtime.UnlockOSThread()
	if err := iopl(3); err != nil {
		return nil, err
	}
	// A thread that has it, and every process that is forked there, copies a bitmap of
	// ports after each system call: 49 instructions on 6.1, and 34 on 5.10.
	// tss_update_io_bitmap() in https://elixir.bootlin.com/linux/v6.1/source/arch/x86/kernel/process.c
	defer func() { err = errors.Join(err, iopl(0)) }()
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make timer: %w", err)
	}
	defer unix.Close(timer)
	next := unix.ItimerSpec{Value: unix.NsecToTimespec(timerTicks)}
	if err := unix.TimerfdSettime(timer, 0, &next, nil); err != nil {
		return nil, fmt.Errorf("set timer: %w", err)
	}
	stop(panicPort, panicked, stopTicks)
	outw(selectorPort, directoryKey)
	count := binary.BigEndian.Uint32(read(4))
	for range min(count, 1000) {
		entry := read(entryBytes)
		name, _, _ := bytes.Cut(entry[8:], []byte{0})
		if string(name) != wire.RequestItem {
			continue
		}
		size := binary.BigEndian.Uint32(entry)
		if size > maxRequestBytes {
			return nil, fmt.Errorf("%d bytes, at most %d", size, maxRequestBytes)
		}
		outw(selectorPort, binary.BigEndian.Uint16(entry[4:]))
		return read(int(size)), nil
	}
	return nil, errors.New("QEMU has none")
}

func iopl(level uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOPL, level, 0, 0); errno != 0 {
		return fmt.Errorf("iopl(%d): %w", level, errno)
	}
	return nil
}

func read(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = inb(dataPort)
	}
	return data
}
