// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"golang.org/x/sys/unix"
)

// runCmd measures a plan on the kernel that runs.
type runCmd struct {
	planChoice
	Out string `default:"out" help:"Directory of the runs." placeholder:"DIR"`
}

// hostKernel is what the running kernel is called in records.
const hostKernel = "host"

// requestTimeout is what a trial may take beyond what its plan asks for.
func requestTimeout() time.Duration { return patience.Of(time.Minute) }

// Run measures every trial of the plan. All blocks are of one boot.
func (r *runCmd) Run(e *env) error {
	p, err := r.load()
	if err != nil {
		return usageError{err}
	}
	cpus, err := trial.CPUs()
	if err != nil {
		return err
	}
	if _, err := p.Configurations(len(cpus)); err != nil {
		return usageError{err}
	}
	if os.Geteuid() != 0 {
		return errors.New("measuring on this kernel needs root: run it with sudo, or in a throwaway machine without, as in: ringtwin vmtest 6.1")
	}
	of, have, err := host(len(cpus))
	if err != nil {
		return err
	}
	out, err := newOutDir(r.Out, p)
	if err != nil {
		return err
	}
	show := progress.New(e.stderr)
	defer show.End()
	run := nativeSession(of, have)
	run.Plan, run.Record = p, out.add
	run.Phase = func(name string) { show.Phase(hostKernel, name) }
	run.Why = func(err error) (record.Status, string) {
		if e.ctx.Err() != nil {
			return record.Cancelled, firstLine(err)
		}
		return record.Failed, firstLine(err)
	}
	err = run.Do(e.ctx)
	show.End()
	return out.conclude(e, []string{hostKernel}, []error{err}, r.Details, func(err error) {
		if e.ctx.Err() == nil {
			fmt.Fprintf(e.stderr, "ringtwin: %v\n", err)
		}
	})
}

// nativeSession measures on this kernel, in one boot.
func nativeSession(of record.Kernel, have record.Machine) *session.Run {
	return &session.Run{
		Kernel: of, Machine: have, SameBoot: true, Timeout: requestTimeout(),
		Fresh: func(context.Context) (session.Conn, error) { return nativeConn{}, nil },
	}
}

// host is what is known of the machine that this program runs on.
func host(cpus int) (record.Kernel, record.Machine, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return record.Kernel{}, record.Machine{}, fmt.Errorf("read the kernel's release: %w", err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return record.Kernel{}, record.Machine{}, fmt.Errorf("read the size of the memory: %w", err)
	}
	of := record.Kernel{Want: hostKernel, Source: hostKernel, Release: unix.ByteSliceToString(uts.Release[:])}
	config := kernel.RunningConfig(of.Release)
	of.Config.Preempt, of.Config.HZ = config.Preempt, config.HZ
	return of, record.Machine{
		Backend: record.Host, Accel: "none", Clock: record.Wall, CPUs: cpus,
		MemoryBytes: int64(info.Totalram) * int64(info.Unit), CPUModel: cpuModel(),
	}, nil
}

// cpuModel is empty where the kernel does not say it.
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// nativeConn serves requests in this process.
type nativeConn struct{}

// Do returns when the request is done, or the context has ended the workload.
func (nativeConn) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	err = session.Handle(ctx, text, func(answer any) error {
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		return take(body)
	})
	return errors.Join(err, ctx.Err())
}

// Close has nothing to end.
func (nativeConn) Close() error { return nil }
