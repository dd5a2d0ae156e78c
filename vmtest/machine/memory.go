// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// A machine for programs shares a buffer with this process: the memory of a PCI device
// that needs no driver. So a program and its output pass between host and guest at the
// speed of a copy, on every kernel with PCI; frames on the serial port say what is in the
// buffer.
//
// https://www.qemu.org/docs/master/system/devices/ivshmem.html
//
// Its own memory is a private mapping of the snapshot's file, as in virtual time: a
// restored machine reads what it needs of it.

// forPrograms is QEMU with guests that run programs.
type forPrograms struct{ byWallClock }

func (forPrograms) start(m *Machine, state *os.File) error {
	return m.startQEMU(m.cfg, func(e *ends) ([]*os.File, error) { return m.plugShared(e, state) })
}

func (forPrograms) save(m *Machine, state *os.File) error {
	if _, err := m.monitor.execute("stop", nil); err != nil {
		return err
	}
	return m.saveStopped(state, sharedDevicesFD)
}

// Descriptors that QEMU gets beside the monitor's.
const (
	sharedWindowFD  = 4
	sharedMemoryFD  = 5
	sharedDevicesFD = 6
)

// plugShared is plug for a machine for programs.
func (m *Machine) plugShared(e *ends, state *os.File) (_ []*os.File, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, m.files.Close())
		}
	}()
	if err := m.files.open(m.cfg, state); err != nil {
		return nil, err
	}
	if m.files.window, err = emptyInMemory("window", wire.BufferBytes); err != nil {
		return nil, err
	}
	m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, m.files.window, m.files.memory, m.files.devices)
	m.cmd.Args = append(m.cmd.Args,
		"-object", fmt.Sprintf("memory-backend-file,id=window,size=%d,mem-path=/dev/fd/%d,share=on", wire.BufferBytes, sharedWindowFD),
		"-device", "ivshmem-plain,memdev=window,master=on") // or it could not be saved
	m.cmd.Args = append(m.cmd.Args, m.cfg.memoryArgs(state != nil, sharedMemoryFD, sharedDevicesFD)...)
	if e.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	e.control, err = m.cmd.StdoutPipe()
	return nil, err
}

// memoryArgs are QEMU's arguments for memory that is a file, and for the state of the
// devices of a restored machine.
func (c Config) memoryArgs(restored bool, memory, devices int) []string {
	var args []string
	share := "on"
	if restored {
		// The output of xen-save-devices-state does not begin with a configuration, nor end
		// with a description.
		share = "off"
		args = append(args, "-incoming", fmt.Sprintf("fd:%d", devices), "-global", "migration.send-configuration=off", "-machine", "suppress-vmdesc=on")
	}
	return append(args,
		"-object", fmt.Sprintf("memory-backend-file,id=memory,size=%dM,mem-path=/dev/fd/%d,share=%s", c.MemoryMiB, memory, share),
		"-machine", "memory-backend=memory")
}

// emptyInMemory returns a file without a name that reads as zeros.
func emptyInMemory(name string, size int64) (*os.File, error) {
	file, err := inMemory(name, bytes.NewReader(nil))
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

var errNotShared = errors.New("the machine is not one for programs")
