// SPDX-License-Identifier: MIT

package ringtwin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"golang.org/x/sys/unix"
)

// HostKernel is the name of the running kernel in records.
const HostKernel = "host"

// RequestTimeout is the limit of a trial on the running kernel, in addition to the time
// that its plan requests.
func RequestTimeout() time.Duration { return patience.Of(time.Minute) }

// ErrRoot is returned if root is required on the running kernel.
var ErrRoot = errors.New("this needs root on the running kernel")

// Native returns a run on the running kernel, in one boot. The caller sets its plan, and
// a function for each trial. It needs root.
func Native(ctx context.Context) (*session.Run, error) {
	if os.Geteuid() != 0 {
		return nil, ErrRoot
	}
	cpus, err := trial.CPUs()
	if err != nil {
		return nil, err
	}
	of, have, err := running(len(cpus))
	if err != nil {
		return nil, err
	}
	return &session.Run{
		Kernel: of, Machine: have, SameBoot: true, Timeout: RequestTimeout(),
		Fresh: func(context.Context) (session.Conn, error) { return session.Here{}, nil },
		Why:   func(err error) (record.Status, string) { return why(ctx, err) },
	}, nil
}

// running is what is known of the kernel and the machine that this program runs on.
func running(cpus int) (record.Kernel, record.Machine, error) {
	release, err := Release()
	if err != nil {
		return record.Kernel{}, record.Machine{}, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return record.Kernel{}, record.Machine{}, fmt.Errorf("read the size of the memory: %w", err)
	}
	of := record.Kernel{Want: HostKernel, Source: HostKernel, Release: release}
	config := kernel.RunningConfig(release)
	of.Config.Preempt, of.Config.HZ = config.Preempt, config.HZ
	return of, record.Machine{
		Backend: record.Host, Accel: "none", Clock: record.Wall, CPUs: cpus,
		MemoryBytes: int64(info.Totalram) * int64(info.Unit), CPUModel: cpuModel(),
	}, nil
}

// Release is that of the running kernel.
func Release() (string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return "", fmt.Errorf("read the kernel's release: %w", err)
	}
	return unix.ByteSliceToString(uts.Release[:]), nil
}

// cpuModel is empty if the kernel does not report it.
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
