// SPDX-License-Identifier: MIT

package session

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
)

// Conn carries requests to one boot of a kernel under test.
type Conn interface {
	// Do passes every answer to take, and returns when the request is done, with an error
	// if it was not fully answered within the time-out.
	Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error
	// Complaint is the kernel's splat since boot, in one line, or "". It may be called
	// after Close.
	Complaint() (string, error)
	// Close ends the processes started for the connection.
	Close() error
}

// Counter is a connection to a machine whose instructions can be counted.
type Counter interface {
	// DoCounted is Do with a profiler. take gets with each answer what reads the counts of
	// the n-th trial of the request, which is over.
	DoCounted(ctx context.Context, request any, timeout time.Duration, take func(body json.RawMessage, counts func(n int) (*profile.Counted, error)) error) error
}

// Here serves requests in this process, on the running kernel.
type Here struct{}

// Do returns when the request is done, or the context has ended the workload.
func (Here) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	err = Handle(ctx, text, func(answer any) error {
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		return take(body)
	})
	return errors.Join(err, ctx.Err())
}

// Complaint is "": the log of the running kernel has messages of other programs.
func (Here) Complaint() (string, error) { return "", nil }

// Close has nothing to end.
func (Here) Close() error { return nil }

// ComplaintError is a splat that is the status of no trial, because it came before the
// first or after the last.
type ComplaintError struct{ Text string }

func (e *ComplaintError) Error() string { return e.Text }

// boot is one boot of the kernel under test. A splat invalidates all later trials of the
// boot, even if the guest continues.
type boot struct {
	Conn
	charged bool // a trial has the splat as its status
}

func (r *running) fresh(ctx context.Context) (*boot, error) {
	conn, err := r.Fresh(ctx)
	if err != nil {
		return nil, err
	}
	return &boot{Conn: conn}, nil
}

// charge sets the status of a trial to splat if the boot had one. It replaces ok and
// failed, since the splat explains more.
func (b *boot) charge(t *record.Trial) error {
	complaint, err := b.Complaint()
	if err != nil {
		return err
	}
	if complaint == "" || t.Status != record.OK && t.Status != record.Failed {
		return nil
	}
	if t.Reason != "" {
		complaint += "; then: " + t.Reason
	}
	t.Status, t.Reason, b.charged = record.Splat, complaint, true
	return nil
}

// end closes the connection. A splat that is the status of no trial is an error.
func (b *boot) end() error {
	err := b.Close()
	complaint, lookErr := b.Complaint()
	err = errors.Join(err, lookErr)
	if complaint != "" && !b.charged {
		err = errors.Join(err, &ComplaintError{complaint})
	}
	return err
}
