// SPDX-License-Identifier: MIT

package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Names of the ports, and of their chardevs in QEMU.
const (
	controlPort = "control"
	monitorPort = "monitor"
)

func portPath(dir, port string) string { return filepath.Join(dir, port) }

// ports are the sockets to which QEMU, started by virtme-ng, connects. It cannot inherit
// descriptors: virtme-ng closes them.
type ports struct {
	dir       string // ours alone; temporary files of virtme-ng go there too
	listeners map[string]*net.UnixListener
}

func listen(dir string) (_ *ports, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory for the machine: %w", err)
	}
	p := &ports{dir: dir, listeners: map[string]*net.UnixListener{}}
	for _, name := range []string{controlPort, monitorPort} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: portPath(dir, name), Net: "unix"})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for the machine: %w", err), p.Close())
		}
		p.listeners[name] = l
	}
	return p, nil
}

// accept waits until QEMU has connected.
func (p *ports) accept(monitorTimeout time.Duration) (ends, error) {
	conns := map[string]*net.UnixConn{}
	for name, l := range p.listeners {
		conn, err := l.AcceptUnix()
		if err != nil {
			for _, conn := range conns {
				_ = conn.Close()
			}
			return ends{}, err
		}
		conns[name] = conn
	}
	control := conns[controlPort]
	return ends{in: control, control: control, monitor: qmpOn(conns[monitorPort], monitorTimeout)}, nil
}

// stop makes accept return.
func (p *ports) stop() {
	for _, l := range p.listeners {
		_ = l.Close()
	}
}

// Close removes the directory. It may be gone already.
func (p *ports) Close() error {
	p.stop()
	return os.RemoveAll(p.dir)
}

// startVNG starts virtme-ng, which starts QEMU.
func (m *Machine) startVNG() (err error) {
	dir := filepath.Join(os.TempDir(), "ringtwin-vng-"+rand.Text())
	if m.reaper, err = newReaper(dir); err != nil {
		return err
	}
	if m.ports, err = listen(dir); err != nil {
		return errors.Join(err, m.reaper.Close())
	}
	cfg := m.cfg
	cfg.portDir = m.ports.dir
	args := cfg.Args()
	m.cmd = exec.Command(args[0], args[1:]...)
	// Not the user's configuration, and not the working directory, which the guest
	// may not have.
	m.cmd.Env = append(os.Environ(), "HOME="+m.ports.dir, "TMPDIR="+m.ports.dir)
	m.cmd.Dir = "/"
	m.cmd.Stdout = &m.stderr
	if err := m.startLocked(m.connectVNG); err != nil {
		return errors.Join(fmt.Errorf("start virtme-ng: %w", err), m.ports.Close(), m.reaper.Close())
	}
	return nil
}

// connectVNG returns when QEMU has connected, or virtme-ng has ended without.
func (m *Machine) connectVNG() error {
	pid := m.cmd.Process.Pid
	if err := m.reaper.hold(pid); err != nil {
		return err
	}
	go func() {
		// Without reaping it, which is Wait's.
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		m.ports.stop()
	}()
	ends, err := m.ports.accept(m.cfg.Limits.Monitor)
	if err != nil {
		return err
	}
	m.connect(ends)
	return nil
}
