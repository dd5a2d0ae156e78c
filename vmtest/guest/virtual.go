// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// VirtualStart is the CLOCK_MONOTONIC time at which the guest stops its machine. Until
// then it sleeps, while boot-time threads of the kernel settle.
const VirtualStart = 120 * time.Second

// serveVirtual stops the machine, which the host then saves. In a machine restored from
// that snapshot it serves the request in the firmware configuration, once.
func serveVirtual(port io.ReadWriter, handler Handler) error {
	ready, err := describe()
	if err != nil {
		return err
	}
	if err := wire.NewWriter(port).Write(wire.Ready, ready); err != nil {
		return err
	}
	at := unix.NsecToTimespec(VirtualStart.Nanoseconds())
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("sleep until the start: %w", err)
		}
	}
	text, err := stopAndRead()
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	return serveFrames(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(text), port}, handler, ready, nil)
}
