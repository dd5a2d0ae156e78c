// SPDX-License-Identifier: MIT

package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Start starts QEMU. The machine does not outlive this process.
func Start(cfg Config) (*Machine, error) {
	return start(cfg, nil)
}

// start boots the machine, or restores it if there is a state.
func start(cfg Config, state *os.File) (*Machine, error) {
	// Machines of one kernel share a log: each is identified by what it appends.
	logBytes, err := appendFile(cfg.Console, nil)
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	logLines, err := countLines(cfg.Console)
	if err != nil {
		return nil, fmt.Errorf("read console: %w", err)
	}
	m := &Machine{
		cfg: cfg, backend: cfg.backend(), repeat: cfg.Command(), restored: state != nil,
		frames: make(chan received, 16), connected: make(chan struct{}), ended: make(chan struct{}),
		log:      logReader{path: cfg.Console, offset: logBytes, line: logLines},
		logStart: logBytes,
	}
	if err := m.backend.start(m, state); err != nil {
		return nil, err
	}
	return m, nil
}

// Descriptors that QEMU gets beside the standard ones.
const (
	monitorFD = 3
	stateFD   = 4 // of a snapshot
)

// In virtual time there are these instead of a state.
const (
	controlFD = 4
	memoryFD  = 5
	requestFD = 6
	devicesFD = 7
)

// startQEMU starts QEMU. plug makes the ends of control; its result is closed when QEMU
// has it.
func (m *Machine) startQEMU(cfg Config, plug func(*ends) ([]*os.File, error)) (err error) {
	args := append(cfg.Args(), "-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control")
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("find QEMU: %w (scripts/setup.sh installs it)", err)
	}
	monitor, theirs, err := newQMP(cfg.Limits.Monitor)
	if err != nil {
		return err
	}
	defer theirs.Close()
	m.cmd = exec.Command(path, args[1:]...)
	m.cmd.ExtraFiles = []*os.File{theirs}
	e := ends{monitor: monitor}
	handed, err := plug(&e)
	if err != nil {
		return errors.Join(err, monitor.Close())
	}
	m.connect(e)
	err = m.startLocked(func() error { return nil })
	for _, file := range handed {
		_ = file.Close()
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("start QEMU: %w", err), monitor.Close(), m.files.Close())
		if e.keyboard != nil {
			err = errors.Join(err, e.keyboard.Close())
		}
	}
	return err
}

// plug makes the ends of control, and passes QEMU's end and the state to QEMU.
func (m *Machine) plug(e *ends, state *os.File) (_ []*os.File, err error) {
	if state != nil {
		m.cmd.Args = append(m.cmd.Args, "-incoming", fmt.Sprintf("fd:%d", stateFD))
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, state)
	}
	m.plugCounts()
	if e.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	e.control, err = m.cmd.StdoutPipe()
	return nil, err
}

// plugCounts passes the plugin that counts, if there is one, after all other files.
func (m *Machine) plugCounts() {
	if counts := m.cfg.counts; counts != nil {
		m.cmd.Args = append(m.cmd.Args, counts.Args(monitorFD+len(m.cmd.ExtraFiles))...)
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, counts.Files()...)
	}
}

// waitDelay is for processes that QEMU or virtme-ng started, which outlive it and hold
// its standard error.
const waitDelay = 5 * time.Second

// startLocked starts the command from a thread that lives as long as it does:
// the parent-death signal comes when the thread dies, not the process. connect
// is called when it runs, and returns when there is something to talk to.
func (m *Machine) startLocked(connect func() error) error {
	m.cmd.Stderr = &m.stderr
	m.cmd.WaitDelay = waitDelay
	// Its own group: Ctrl-C reaches us, and we end it.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if connect() == nil {
			m.receive(m.control)
		}
		close(m.frames)
		m.waited = m.cmd.Wait()
		if m.ports != nil {
			_, _ = m.ports.Close(), m.reaper.Close()
		}
		_ = m.files.Close()
		close(m.ended)
	}()
	return <-started
}

// connect makes the ends valid, once.
func (m *Machine) connect(e ends) {
	m.ends, m.out = e, wire.NewWriter(e.in)
	close(m.connected)
}

func (m *Machine) isConnected() bool {
	select {
	case <-m.connected:
		return true
	default:
		return false
	}
}

// receive passes frames on until QEMU closes its end.
func (m *Machine) receive(control io.Reader) {
	reader := wire.NewReader(control)
	for {
		frame, err := reader.Read()
		if err != nil && !errors.As(err, new(*wire.GarbageError)) {
			return // EOF, or the pipe is gone: QEMU has ended
		}
		m.frames <- received{frame, err}
	}
}
