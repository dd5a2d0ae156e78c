// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	errAlive = errors.New("the kernel is alive, and its blocked tasks are in the log")
	errDead  = errors.New("the kernel does not answer sysrq")
	errMute  = fmt.Errorf("%w, nor QEMU its monitor", errDead)
)

// sysrqAnswer is the kernel's answer to the key used here: see sysrq_showstate_blocked_op
// in drivers/tty/sysrq.c.
var sysrqAnswer = []byte("Show Blocked State")

// probeLiveness requests a list of blocked tasks from a silent kernel, over the console:
// there a break and then a letter is a sysrq. This distinguishes a stuck test from a dead
// kernel, without a heartbeat while a trial is measured. The result is err with the
// findings.
//
// https://docs.kernel.org/admin-guide/sysrq.html
func (m *Machine) probeLiveness(err error) error {
	if !m.isConnected() {
		return fmt.Errorf("%w; QEMU did not start", err)
	}
	asked := m.log.size()
	if probeErr := m.typeSysrq('w', time.Now().Add(m.cfg.Limits.Liveness)); probeErr != nil {
		if errors.Is(probeErr, os.ErrDeadlineExceeded) {
			probeErr = errMute
		}
		return fmt.Errorf("%w; probe the kernel: %w", err, probeErr)
	}
	for deadline := time.Now().Add(m.cfg.Limits.Liveness); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
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

// typeSysrq types a break and a letter on the console.
func (m *Machine) typeSysrq(letter byte, deadline time.Time) (err error) {
	keyboard := m.keyboard
	if keyboard == nil {
		if keyboard, err = m.monitor.plugKeyboard(deadline, m.cfg.Console); err != nil {
			return err
		}
		defer keyboard.Close()
	}
	if _, err := m.monitor.executeBy(deadline, "chardev-send-break", map[string]any{"id": "console"}); err != nil {
		return err
	}
	_, err = keyboard.Write([]byte{letter})
	return err
}

// plugKeyboard makes the console, which is a file, read what is written to the result. It
// still writes to the same log.
//
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
func (q *qmp) plugKeyboard(deadline time.Time, log string) (io.WriteCloser, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make keyboard: %w", err)
	}
	defer theirs.Close()
	added, err := q.executeBy(deadline, "add-fd", nil, theirs)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	var set struct {
		ID int `json:"fdset-id"`
	}
	if err := json.Unmarshal(added, &set); err != nil {
		return nil, errors.Join(fmt.Errorf("read answer to add-fd: %w", err), ours.Close())
	}
	file := map[string]any{"in": fmt.Sprintf("/dev/fdset/%d", set.ID), "out": log, "append": true}
	change := map[string]any{"id": "console", "backend": map[string]any{"type": "file", "data": file}}
	if _, err := q.executeBy(deadline, "chardev-change", change); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return ours, nil
}
