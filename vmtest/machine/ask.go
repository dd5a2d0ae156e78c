package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"
)

var (
	errAlive = errors.New("the kernel is alive, and its blocked tasks are in the log")
	errDead  = errors.New("the kernel does not answer sysrq")
	errMute  = fmt.Errorf("%w, nor QEMU its monitor", errDead)
)

// sysrqAnswer is what the kernel says to the key that is asked here: see
// sysrq_showstate_blocked_op in drivers/tty/sysrq.c.
var sysrqAnswer = []byte("Show Blocked State")

// interrogate asks a kernel that is silent for its blocked tasks, over the
// console: a break, and then a letter, is a sysrq there. So a test that is stuck
// differs from a kernel that is dead, and nothing has to tick while a trial is
// measured. The result is err with what was found.
//
// https://docs.kernel.org/admin-guide/sysrq.html
func (m *Machine) interrogate(err error) error {
	if !m.isConnected() {
		return fmt.Errorf("%w; QEMU did not start", err)
	}
	asked := m.log.size()
	m.monitor.timeout = m.cfg.Limits.Ask
	if _, askErr := m.monitor.execute("chardev-send-break", map[string]any{"id": "console"}); askErr != nil {
		if errors.Is(askErr, os.ErrDeadlineExceeded) {
			askErr = errMute
		}
		return fmt.Errorf("%w; ask the kernel: %w", err, askErr)
	}
	if _, askErr := m.keyboard.Write([]byte("w")); askErr != nil {
		return fmt.Errorf("%w; ask the kernel: %w", err, askErr)
	}
	for deadline := time.Now().Add(m.cfg.Limits.Ask); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, readErr := lastBytes(m.cfg.Console, min(m.log.size()-asked, chunkBytes))
		if readErr != nil {
			return fmt.Errorf("%w; read console: %w", err, readErr)
		}
		if bytes.Contains(answer, sysrqAnswer) {
			time.Sleep(200 * time.Millisecond) // for the rest of the list
			return fmt.Errorf("%w; %w", err, errAlive)
		}
	}
	return fmt.Errorf("%w; %w", err, errDead)
}
