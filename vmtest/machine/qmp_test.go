// SPDX-License-Identifier: MIT

package machine

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeConn is a connection without files.
type pipeConn struct{ net.Conn }

func (c pipeConn) WriteMsgUnix(text, _ []byte, _ *net.UnixAddr) (int, int, error) {
	n, err := c.Write(text)
	return n, 0, err
}

// answer is what a monitor says to a command, and after how long.
type answer struct {
	after time.Duration
	text  string
}

const empty = `{"return": {}}`

// monitor returns a client of a monitor that answers each command with the next of
// its answers, or nothing.
func monitor(t *testing.T, timeout time.Duration, answers map[string][]answer) *qmp {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = ours.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		defer theirs.Close()
		if _, err := io.WriteString(theirs, `{"QMP": {}}`); err != nil {
			return
		}
		for commands := json.NewDecoder(theirs); ; {
			var command struct {
				Execute string `json:"execute"`
			}
			if commands.Decode(&command) != nil {
				return
			}
			next := answer{text: empty}
			if command.Execute != "qmp_capabilities" {
				list := answers[command.Execute]
				if len(list) == 0 {
					continue
				}
				next, answers[command.Execute] = list[0], list[1:]
			}
			time.Sleep(next.after)
			if _, err := io.WriteString(theirs, next.text); err != nil {
				return
			}
		}
	}()
	return qmpOn(pipeConn{ours}, timeout)
}

// TestLimitsArePerCommand: the deadline of one command does not limit a later one.
func TestLimitsArePerCommand(t *testing.T) {
	const timeout, restore, liveness = 30 * time.Second, 20 * time.Second, 5 * time.Second
	paused, running := `{"return": {"status": "inmigrate"}}`, `{"return": {"status": "running"}}`
	later := []answer{{timeout - time.Second, empty}}
	for name, test := range map[string]struct {
		answers map[string][]answer
		first   func(*qmp) error
	}{
		"a slow restore": {
			map[string][]answer{"query-status": {{restore - time.Second, paused}, {time.Second / 2, running}}},
			func(q *qmp) error { return q.awaitRunning(t.Context(), time.Now().Add(restore)) },
		},
		"a kernel that is asked": {
			map[string][]answer{"chardev-send-break": {{liveness - time.Second, empty}}},
			func(q *qmp) error {
				m := &Machine{ends: ends{monitor: q, keyboard: discard{}}}
				return m.typeSysrq('w', time.Now().Add(liveness))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.answers["system_reset"] = later
				q := monitor(t, timeout, test.answers)
				if err := test.first(q); err != nil {
					t.Fatal(err)
				}
				if _, err := q.execute("system_reset", nil); err != nil {
					t.Errorf("after it: %v", err)
				}
			})
		})
	}
}

// discard is a keyboard.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// TestLimits: the wait for a silent monitor is as long as the command's own limit, which
// the error reports.
func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		want time.Duration
		do   func(*qmp) error
	}{
		"execute":     {30 * time.Second, func(q *qmp) error { _, err := q.execute("stop", nil); return err }},
		"restore":     {20 * time.Second, func(q *qmp) error { return q.awaitRunning(t.Context(), time.Now().Add(20*time.Second)) }},
		"late":        {30 * time.Second, func(q *qmp) error { return q.awaitRunning(t.Context(), time.Now().Add(time.Hour)) }},
		"liveness":    {5 * time.Second, func(q *qmp) error { _, err := q.plugKeyboard(time.Now().Add(5*time.Second), "log"); return err }},
		"save, begun": {30 * time.Second, func(q *qmp) error { return q.save(os.Stderr) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := monitor(t, 30*time.Second, map[string][]answer{})
				begun := time.Now()
				err := test.do(q)
				if got := time.Since(begun); got != test.want {
					t.Errorf("waited %s, want %s", got, test.want)
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), " in "+test.want.String()+": ") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
