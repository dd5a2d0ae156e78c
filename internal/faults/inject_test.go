// SPDX-License-Identifier: MIT

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// processes are those of the run: the tool, and all that it started.
func (r *run) processes() []int {
	var pids []int
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(env, []byte("RINGTWIN_FAULTS="+r.control+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// qemu is the process of the run's machine.
func (r *run) qemu() (int, error) {
	for _, pid := range r.processes() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && strings.HasPrefix(filepath.Base(exe), "qemu-system") {
			return pid, nil
		}
	}
	return 0, errors.New("no machine runs")
}

func killQEMU(r *run) error {
	return r.until(func() error {
		pid, err := r.qemu()
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	})
}

func stopQEMU(r *run) error {
	return r.until(func() error {
		pid, err := r.qemu()
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGSTOP)
	})
}

// signal sends the tool a signal.
func signal(s syscall.Signal) func(*run) error {
	return func(r *run) error { return r.cmd.Process.Signal(s) }
}

// tell sends the guest a fault command, and returns the address in its answer.
func (r *run) tell(what string) (address uint64, err error) {
	line := fmt.Sprintf("%s %d", what, r.seed)
	patience := 400 * time.Millisecond
	err = r.until(func() error {
		conn, err := net.Dial("unix", filepath.Join(r.control, "guest"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		patience = min(2*patience, testutils.Limit) // on a slow host an answer takes longer
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return err
		}
		// What is sent to a machine that is still being restored may come in
		// part, or not at all.
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(answer), line+" ")
		if !ok {
			return fmt.Errorf("the guest answered %q", answer)
		}
		address, err = strconv.ParseUint(text, 16, 64)
		return err
	})
	return address, err
}

func guestDoes(what string) func(*run) error {
	return func(r *run) error {
		_, err := r.tell(what)
		return err
	}
}

// oops breaks a function of the kernel and has a process of the guest call it.
func oops(r *run) error {
	address, err := r.tell("look")
	if err != nil {
		return err
	}
	if address == 0 {
		return errors.New("the guest does not know where its kernel is")
	}
	err = r.until(func() error { return breakFunction(filepath.Join(r.control, "gdb"), address) })
	if err != nil {
		return err
	}
	return guestDoes("oops")(r)
}

func hang(r *run) error {
	return r.until(func() error { return hangMachine(filepath.Join(r.control, "gdb")) })
}

// cut has QEMU close its end of the control channel and run on.
func cut(r *run) error {
	return r.until(func() error {
		conn, err := net.Dial("unix", filepath.Join(r.control, "monitor"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(testutils.Limit)); err != nil {
			return err
		}
		replies := json.NewDecoder(conn)
		for _, command := range []string{
			"", // it greets first
			`{"execute":"qmp_capabilities"}`,
			`{"execute":"chardev-change","arguments":{"id":"control","backend":{"type":"null","data":{}}}}`,
		} {
			if _, err := conn.Write([]byte(command)); err != nil {
				return err
			}
			reply := map[string]json.RawMessage{}
			for reply["return"] == nil && reply["QMP"] == nil {
				reply = nil
				if err := replies.Decode(&reply); err != nil {
					return err
				}
				if text := reply["error"]; text != nil {
					return fmt.Errorf("monitor: %s", text)
				}
			}
		}
		return nil
	})
}

// floodBytes is how much is written to the console.
const floodBytes = 100 << 20

// flood has the guest write to its console as fast as it can, which is some
// 400 KB a second; the rest comes from the host, into the log that QEMU writes.
func flood(r *run) error {
	if _, err := r.tell("flood"); err != nil {
		return err
	}
	line := []byte(strings.Repeat("all work and no play makes a dull kernel; ", 24) + "\r\n")
	if r.seed%4 == 0 {
		line = bytes.TrimSpace(line) // never ends
	}
	block := bytes.Repeat(line, (1<<20)/len(line)+1)[:1<<20]
	logs, err := filepath.Glob(filepath.Join(r.out, "2*", "kernels", "*", "console.log"))
	if err != nil || len(logs) == 0 {
		return fmt.Errorf("no console: %w", err)
	}
	log, err := os.OpenFile(logs[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	for done := 0; done < floodBytes; done += len(block) {
		if _, err := log.Write(block); err != nil {
			return err
		}
	}
	return nil
}
