// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/plugin"
	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// In virtual time one instruction of the guest is one nanosecond, and idle time takes
// none: QEMU's icount. The guest's behaviour then depends on its state alone, if nothing
// happens at a time that the host chooses:
//
//  - No byte comes on a serial port. The guest reads its request from QEMU's
//    firmware configuration, which is there from the start.
//  - QEMU's main loop advances the clock of an idle guest to its next timer. It
//    must not do so before the guest's last instructions are counted, but nothing
//    prevents that: icount_start_warp_timer does not wait for
//    icount_process_data, in the thread of the CPU. On a busy host it comes too
//    early in every boot. Recording prevents it: the CPU then holds the replay
//    mutex from icount_prepare_for_run to icount_process_data, and the main loop
//    needs it. The recording itself is not used.
//  - The guest decides when it is saved: it stops the machine, and continues only
//    in a restored machine. See guest.VirtualStart.
//
// While QEMU records, the thread that saves other machines fails in replay_save_clock. So
// the snapshot is the file that is the guest's memory and, from the main loop, the state
// of the devices. A restored machine has that memory as a private mapping, which takes no
// time.
//
// https://www.qemu.org/docs/master/devel/tcg-icount.html
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/softmmu/icount.c
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/accel/tcg/tcg-accel-ops-icount.c
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/replay/replay-time.c

// exactTSC makes the guest's nanosecond an instruction. A kernel measures the frequency of
// the time stamp counter, which is 1 GHz, by another clock. That makes it 999,999 kHz in
// half of the boots, and then CPU times are longer by a millionth. Without such clocks it
// takes what it is told.
//
// tsc_refine_calibration_work() in https://elixir.bootlin.com/linux/v6.12/source/arch/x86/kernel/tsc.c
const exactTSC = "tsc_early_khz=1000000 hpet=disable pmtmr=0"

// virtual adds what makes the time of an emulated machine virtual.
func (c Config) virtual(tcg option) option {
	tcg.args = append(tcg.args,
		"-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null",
		"-seed", fmt.Sprint(c.Seed), "-rtc", "base=2024-01-01,clock=vm",
		"-device", "pvpanic", "-action", "panic=pause")
	tcg.kernel = append(tcg.kernel, wire.VirtualWord, exactTSC)
	return tcg
}

// stateFiles are the files of a machine besides its monitor: its memory and the state of
// its devices; in virtual time the request, the console's log and the end from which
// control is read; and for programs the buffer.
type stateFiles struct{ memory, devices, request, log, control, window *os.File }

// open opens those of any machine that is booted or, with a state, restored.
func (f *stateFiles) open(c Config, state *os.File) (err error) {
	var devices io.Reader = bytes.NewReader(nil)
	if state != nil {
		f.memory, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", state.Fd()), os.O_RDWR, 0)
		devices = io.NewSectionReader(state, c.memoryBytes(), math.MaxInt64-c.memoryBytes())
	} else {
		f.memory, err = emptyInMemory("memory", c.memoryBytes())
	}
	if err != nil {
		return fmt.Errorf("open memory of machine: %w", err)
	}
	f.devices, err = inMemory("devices", devices)
	return err
}

// Close closes what is open.
func (f stateFiles) Close() error {
	var errs []error
	for _, file := range []*os.File{f.memory, f.devices, f.request, f.log, f.control, f.window} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// controlBytes is what QEMU may write before any of it is read.
const controlBytes = 1 << 20

// plugVirtual is plug for a machine in virtual time, which does not run until the monitor
// starts it. Nothing can be written to its control.
func (m *Machine) plugVirtual(e *ends, state *os.File) (_ []*os.File, err error) {
	if err := m.files.open(m.cfg, state); err != nil {
		return nil, errors.Join(err, m.files.Close())
	}
	if m.files.request, err = inMemory("request", bytes.NewReader(m.cfg.request)); err != nil {
		return nil, errors.Join(err, m.files.Close())
	}
	control, theirs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, m.files.Close())
	}
	_, _ = unix.FcntlInt(theirs.Fd(), unix.F_SETPIPE_SZ, controlBytes) // or the 64 KiB that there are
	m.files.control = control
	if m.files.log, err = os.OpenFile(m.cfg.Console, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		e.keyboard, err = m.cmd.StdinPipe()
	}
	if err != nil {
		return nil, errors.Join(err, m.files.Close(), theirs.Close())
	}
	m.cmd.Stdout = m.files.log
	read, in := io.Pipe()
	_ = read.Close()
	e.in, e.control = in, control
	m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, theirs, m.files.memory, m.files.request, m.files.devices)
	m.cmd.Args = append(m.cmd.Args, "-S",
		"-fw_cfg", fmt.Sprintf("name=%s,file=/dev/fd/%d", wire.RequestItem, requestFD))
	m.cmd.Args = append(m.cmd.Args, m.cfg.memoryArgs(state != nil, memoryFD, devicesFD)...)
	m.plugCounts()
	return []*os.File{theirs}, nil
}

func (c Config) memoryBytes() int64 { return int64(c.MemoryMiB) << 20 }

// inMemory returns a file without a name that holds what is read.
func inMemory(name string, from io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	_, err = io.Copy(file, from)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", name, err), file.Close())
	}
	return file, nil
}

// runVirtual runs a machine that does not run yet. It returns when a booted machine has
// stopped itself, and when a restored one runs.
func (m *Machine) runVirtual(ctx context.Context) (ready wire.State, err error) {
	if m.restored {
		if err := m.monitor.awaitStatus(ctx, time.Now().Add(m.cfg.Limits.Restore), "paused"); err != nil {
			return ready, m.failure(BootFailed, fmt.Errorf("restore: %w", err))
		}
	}
	if _, err := m.monitor.execute("cont", nil); err != nil {
		return ready, m.failure(BootFailed, fmt.Errorf("start: %w", err))
	}
	if m.restored {
		return ready, nil // it said so before it was saved
	}
	deadline := time.Now().Add(m.cfg.Limits.Boot)
	if ready, err = m.takeReady(ctx, deadline); err != nil {
		return ready, err
	}
	if err := m.monitor.awaitEvent(ctx, "STOP", deadline); err != nil {
		return ready, m.failure(BootFailed, fmt.Errorf("settle: %w", err))
	}
	return ready, nil
}

// saveStopped writes a machine that is stopped, and whose memory is a file, to the file.
func (m *Machine) saveStopped(state *os.File, devices int) error {
	// For any machine type, despite its name. The command to load is not used: it ends
	// QEMU 7.2, and the state can be loaded as an incoming migration.
	// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
	name := map[string]any{"filename": fmt.Sprintf("/dev/fd/%d", devices)}
	if _, err := m.monitor.execute("xen-save-devices-state", name); err != nil {
		return err
	}
	size := m.cfg.memoryBytes()
	if err := state.Truncate(size); err != nil {
		return err
	}
	// Holes where there are zeros.
	if err := eachBlock(m.files.memory, size, func(at int64, data []byte) error {
		_, err := state.WriteAt(data, at)
		return err
	}); err != nil {
		return fmt.Errorf("save memory: %w", err)
	}
	if _, err := io.Copy(io.NewOffsetWriter(state, size), io.NewSectionReader(m.files.devices, 0, size)); err != nil {
		return fmt.Errorf("save devices: %w", err)
	}
	return nil
}

// StartVirtual restores a fresh machine in virtual time that serves one request:
// [Machine.Answers] receives the answers.
func (s *Snapshot) StartVirtual(console string, request any) (*Machine, error) {
	return s.startVirtual(console, wire.Request, request, nil)
}

// StartVirtualCounted restores one whose instructions a plugin counts.
func (s *Snapshot) StartVirtualCounted(console string, request any, counts *plugin.Memory) (*Machine, error) {
	return s.startVirtual(console, wire.Request, request, counts)
}

// StartVirtualSymbols restores one that reads its kernel's symbols: see [ReadSymbols].
func (s *Snapshot) StartVirtualSymbols(console string) (*Machine, error) {
	return s.startVirtual(console, wire.Symbols, struct{}{}, nil)
}

// StartVirtualExec restores one that runs a program, for [Machine.Output].
func (s *Snapshot) StartVirtualExec(console string, c wire.Command) (*Machine, error) {
	return s.startVirtual(console, wire.Exec, c, nil)
}

func (s *Snapshot) startVirtual(console string, kind wire.Kind, request any, counts *plugin.Memory) (*Machine, error) {
	var frame bytes.Buffer
	if err := wire.NewWriter(&frame).Write(kind, request); err != nil {
		return nil, err
	}
	other := *s
	other.cfg.request, other.cfg.counts = frame.Bytes(), counts
	return other.Start(console)
}
