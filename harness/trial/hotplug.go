// SPDX-License-Identifier: MIT

package trial

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// setOnline takes a CPU offline, or brings it back. The error wraps [bpf.ErrUnsupported]
// where the kernel does not do that.
//
// https://docs.kernel.org/core-api/cpu_hotplug.html
func setOnline(cpu int, online bool) error {
	value, doing := "0", "off"
	if online {
		value, doing = "1", "on"
	}
	path := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu)
	err := os.WriteFile(path, []byte(value), 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("take CPU %d %s: %w: %w", cpu, doing, bpf.ErrUnsupported, err)
	}
	if err != nil {
		return fmt.Errorf("take CPU %d %s: %w", cpu, doing, err)
	}
	return nil
}

// absence is a CPU that is offline for a part of a trial.
type absence struct {
	cpu  int
	when string
	off  bool
}

// newAbsence takes the CPU offline if it is to be so when the reader opens its rings.
func newAbsence(o vocab.Offline) (*absence, error) {
	cpu, when := o.CPU()
	a := &absence{cpu: cpu, when: when}
	if cpu < 0 || when == vocab.Leaves {
		return a, nil
	}
	if err := setOnline(cpu, false); err != nil {
		return nil, err
	}
	a.off = true
	return a, nil
}

// beforeLoad brings the CPU back, after it has left if that is to be after the reader
// opened its rings. A reader that watches CPUs is given the time to notice.
func (a *absence) beforeLoad(reader transport.Reader, ended <-chan struct{}) error {
	if a.cpu < 0 || a.when == vocab.Stays {
		return nil
	}
	if a.when == vocab.Leaves {
		if err := setOnline(a.cpu, false); err != nil {
			return err
		}
		a.off = true
	}
	watcher, watches := reader.(transport.Watcher)
	if watches && a.when == vocab.Leaves {
		if err := until(ended, func() bool { return !watcher.Has(a.cpu) }); err != nil {
			return err
		}
	}
	if err := a.end(); err != nil {
		return err
	}
	if !watches {
		return nil
	}
	return until(ended, func() bool { return watcher.Has(a.cpu) })
}

// end brings the CPU back if it is offline.
func (a *absence) end() error {
	if !a.off {
		return nil
	}
	a.off = false
	return setOnline(a.cpu, true)
}

// noticed is how long a reader may take to notice a CPU, on an emulated machine.
const noticed = time.Minute

// until waits until something is so. It returns at once if the reader has ended, whose
// error says why.
func until(ended <-chan struct{}, so func() bool) error {
	for deadline := time.Now().Add(noticed); !so(); {
		select {
		case <-ended:
			return nil
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("the reader does not notice that a CPU came or went")
		}
	}
	return nil
}
