// SPDX-License-Identifier: MIT

package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// RunDelay reads how long a thread was ready to run and did not, in ns, from the path of
// its schedstat. A kernel that does not record it has no such file.
//
// https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
func RunDelay(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read run delay: %w", err)
	}
	var running, waiting int64
	if _, err := fmt.Sscan(string(text), &running, &waiting); err != nil {
		return 0, fmt.Errorf("read run delay: %q: %w", text, err)
	}
	return waiting, nil
}

// wait returns when the producer has ended. It reads the kernel's statistics before it
// reaps the producer, which removes them.
func (p *producer) wait() error {
	pid := p.cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break // after any other error there is nothing to read either
		}
	}
	var err error
	p.runDelayNS, err = RunDelay(fmt.Sprintf("/proc/%d/schedstat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, p.cmd.Wait())
}
