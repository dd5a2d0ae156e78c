// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// qmp is a client of QEMU's monitor.
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
type qmp struct {
	conn    monitorConn
	decoder *json.Decoder
	greeted bool
	timeout time.Duration // for QEMU to answer a command that has no deadline of its own
}

// monitorConn is a *net.UnixConn: files are passed along with a command.
type monitorConn interface {
	net.Conn
	WriteMsgUnix(text, oob []byte, to *net.UnixAddr) (n, oobn int, err error)
}

// newQMP returns a client and the other end for QEMU.
func newQMP(timeout time.Duration) (_ *qmp, theirs *os.File, err error) {
	conn, theirs, err := socketpair("monitor")
	if err != nil {
		return nil, nil, err
	}
	return qmpOn(conn, timeout), theirs, nil
}

func qmpOn(conn monitorConn, timeout time.Duration) *qmp {
	return &qmp{conn: conn, decoder: json.NewDecoder(conn), timeout: timeout}
}

// socketpair returns the two ends of a socket without a name: nothing is left
// in the file system.
func socketpair(name string) (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make %s socket: %w", name, err)
	}
	file := os.NewFile(uintptr(fds[0]), name)
	theirs = os.NewFile(uintptr(fds[1]), name)
	defer file.Close() // FileConn has its own copy
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make %s socket: %w", name, err), theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

func (q *qmp) Close() error { return q.conn.Close() }

// reply is what QEMU sends: a greeting, a result, an error or an event.
type reply struct {
	QMP    json.RawMessage `json:"QMP"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// limit is the instant until which QEMU has to answer a command that is given now.
func (q *qmp) limit() time.Time { return time.Now().Add(q.timeout) }

// execute runs a command and passes files along, which QEMU takes for it.
func (q *qmp) execute(command string, arguments map[string]any, files ...*os.File) (json.RawMessage, error) {
	return q.executeBy(q.limit(), command, arguments, files...)
}

// executeBy is execute with a deadline, which applies to this command only.
func (q *qmp) executeBy(deadline time.Time, command string, arguments map[string]any, files ...*os.File) (json.RawMessage, error) {
	begun := time.Now()
	if err := q.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if !q.greeted {
		q.greeted = true
		if _, err := q.read(); err != nil {
			return nil, fmt.Errorf("read monitor's greeting: %w", err)
		}
		if _, err := q.executeBy(deadline, "qmp_capabilities", nil); err != nil {
			return nil, err
		}
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, file := range files {
			fds[i] = int(file.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := q.conn.WriteMsgUnix(append(text, '\n'), rights, nil); err != nil {
		return nil, fmt.Errorf("monitor command %s: %w", command, err)
	}
	r, err := q.read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("QEMU's monitor did not answer %s in %s: %w", command, deadline.Sub(begun).Round(time.Millisecond), err)
	}
	if err != nil {
		return nil, fmt.Errorf("monitor command %s: %w", command, err)
	}
	return r.Return, nil
}

// read returns the next reply that is not an event.
func (q *qmp) read() (reply, error) {
	for {
		var r reply
		if err := q.decoder.Decode(&r); err != nil {
			return reply{}, err
		}
		if r.Error != nil {
			return reply{}, fmt.Errorf("%s: %s", r.Error.Class, r.Error.Desc)
		}
		if r.Event == "" {
			return r, nil
		}
	}
}

// save writes the whole machine to the file, while it runs on until the last moment.
// Afterwards it is stopped.
func (q *qmp) save(file *os.File) error {
	// As fast as the disk is: the default is made for networks.
	limits := map[string]any{"max-bandwidth": int64(100) << 30, "downtime-limit": 60_000}
	if _, err := q.execute("migrate-set-parameters", limits); err != nil {
		return err
	}
	if _, err := q.execute("getfd", map[string]any{"fdname": "state"}, file); err != nil {
		return err
	}
	if _, err := q.execute("migrate", map[string]any{"uri": "fd:state"}); err != nil {
		return err
	}
	for deadline := q.limit(); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, err := q.execute("query-migrate", nil)
		if err != nil {
			return err
		}
		var migration struct {
			Status string `json:"status"`
			Error  string `json:"error-desc"`
		}
		if err := json.Unmarshal(text, &migration); err != nil {
			return fmt.Errorf("read state of saving: %w", err)
		}
		switch migration.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("save machine: %s %s", migration.Status, migration.Error)
		}
	}
	return fmt.Errorf("save machine: not done in %s", q.timeout)
}

// awaitRunning returns when a machine that is restored runs.
func (q *qmp) awaitRunning(ctx context.Context, deadline time.Time) error {
	return q.awaitStatus(ctx, deadline, "running")
}

// awaitStatus returns when the machine is in that state.
func (q *qmp) awaitStatus(ctx context.Context, deadline time.Time, want string) error {
	for {
		// A machine that does not answer is no better than one in another state.
		limit := q.limit()
		if deadline.Before(limit) {
			limit = deadline
		}
		text, err := q.executeBy(limit, "query-status", nil)
		if err != nil {
			return err
		}
		var status struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(text, &status); err != nil {
			return fmt.Errorf("read state of machine: %w", err)
		}
		switch {
		case status.Status == want:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(deadline):
			return errTimeout
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// awaitEvent returns when QEMU has reported the event, without a query. No command may be
// in progress.
func (q *qmp) awaitEvent(ctx context.Context, name string, deadline time.Time) error {
	if err := q.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = q.conn.SetReadDeadline(time.Now()) })()
	for {
		var r reply
		switch err := q.decoder.Decode(&r); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errTimeout
		case err != nil:
			return fmt.Errorf("wait for %s: %w", name, err)
		case r.Event == name:
			return nil
		}
	}
}
