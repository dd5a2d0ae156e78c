package machine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Names of the ports, and of their chardevs in QEMU.
const (
	consolePort = "console"
	controlPort = "control"
	monitorPort = "monitor"
)

func portPath(dir, port string) string { return filepath.Join(dir, port) }

// leash is a shell script that becomes its arguments. QEMU is the grandchild of
// virtme-ng, so no parent-death signal of ours reaches it. But all of them are
// one process group, and a shell in it waits for the end of the pipe whose other
// end only we have: when we are gone, however, it removes the folder and ends
// the group. The others may still be writing into the folder, so it tries again;
// it is of the group itself, and nothing comes after that has ended.
const leash = `{
read -r _ <&3
for try in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$0" && break; done
kill -KILL 0
} >/dev/null 2>&1 & exec 3<&-; exec "$@"`

// ports are where QEMU, started by virtme-ng, connects to. Descriptors cannot be
// handed down to it: virtme-ng closes them.
type ports struct {
	dir       string // ours alone; temporary files of virtme-ng go there too
	listeners map[string]*net.UnixListener
}

func listen() (_ *ports, err error) {
	dir, err := os.MkdirTemp("", "ringtwin-vng-")
	if err != nil {
		return nil, fmt.Errorf("make folder for the machine: %w", err)
	}
	p := &ports{dir: dir, listeners: map[string]*net.UnixListener{}}
	for _, name := range []string{consolePort, controlPort, monitorPort} {
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
	// Read, or QEMU would hold the console back: what comes is in the log already.
	go func() { _, _ = io.Copy(io.Discard, conns[consolePort]) }()
	return ends{in: control, control: control, monitor: qmpOn(conns[monitorPort], monitorTimeout), keyboard: conns[consolePort]}, nil
}

// stop makes accept return.
func (p *ports) stop() {
	for _, l := range p.listeners {
		_ = l.Close()
	}
}

// Close removes the folder. It may be gone already.
func (p *ports) Close() error {
	p.stop()
	return os.RemoveAll(p.dir)
}

// startVNG starts virtme-ng, which starts QEMU.
func (m *Machine) startVNG() (err error) {
	if m.ports, err = listen(); err != nil {
		return err
	}
	held, ours, err := os.Pipe()
	if err != nil {
		return errors.Join(err, m.ports.Close())
	}
	defer held.Close()
	m.leash = ours
	cfg := m.cfg
	cfg.portDir = m.ports.dir
	m.cmd = exec.Command("sh", append([]string{"-c", leash, m.ports.dir}, cfg.Args()...)...)
	m.cmd.ExtraFiles = []*os.File{held}
	// Not the user's configuration, and not the working folder, which the guest
	// may not have.
	m.cmd.Env = append(os.Environ(), "HOME="+m.ports.dir, "TMPDIR="+m.ports.dir)
	m.cmd.Dir = "/"
	m.cmd.Stdout = &m.stderr
	if err := m.startLocked(m.connectVNG); err != nil {
		return errors.Join(fmt.Errorf("start virtme-ng: %w", err), m.ports.Close(), ours.Close())
	}
	return nil
}

// connectVNG returns when QEMU has connected, or virtme-ng has ended without.
func (m *Machine) connectVNG() error {
	pid := m.cmd.Process.Pid
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
